/* The terms of a softmax: exponentials of logits, that can be added up. For loops that compilers turn into vectors.

   exp(z) is 2^n exp(r), with n = z / ln 2 rounded and r = z - n ln 2 in two steps, of which the first is exact (Cody
   and Waite, 1980); for float32 logits, 2^n 2^f is enough. Logits aren't shifted by the largest, which would round:
   2^-m goes into the power of two, and no digit is lost. */

#ifndef SOFTMAX_TERMS_H
#define SOFTMAX_TERMS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define MOST 500000.0    /* exponents: n has 20 bits, and its product with LN2_HIGH no more than 53 */
#define LEAST -700.0    /* of exponents: what is below adds nothing to a sum that holds exp(0) */

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define VECTOR_SUM(...) _Pragma(TEXT(omp simd reduction(+ : __VA_ARGS__)))
#define VECTOR_MAXIMUM(name) _Pragma(TEXT(omp simd reduction(max : name)))
#define VECTOR_MINIMUM(name) _Pragma(TEXT(omp simd reduction(min : name)))
#define TEXT(...) #__VA_ARGS__
#else
#include <intrin.h>
#define INLINE static __forceinline
#define VECTOR_SUM(...)
#define VECTOR_MAXIMUM(name)
#define VECTOR_MINIMUM(name)
#endif

static const double LOG2_E = 1.4426950408889634074;
static const double LN2_HIGH = 6.93147180369123816490e-01; /* 32 bits, so that its product with n is exact */
static const double LN2_LOW = 1.90821492927058770002e-10;
static const double ROUND = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer, in the last bits */
static const double GRID = 3145728.0;           /* 1.5 * 2^21: adding and subtracting it rounds to multiples of 2^-31 */

/* How a row's logits become terms: exp(x * scale) / 2^shift, of exponents from `least` on, to the base 2 `least_two`.
   round: ROUND less the shift. */
typedef struct {
    double scale, scale_two, least, least_two, round;
} Terms;

/* exp(r) of |r| <= ln 2 / 2: (exp(r) - 1 - r) / r^2 interpolated at its Chebyshev nodes, computed at 60 digits. The
   result is wrong by 0.15 units of 2^-53 at the most, and by its own rounding. */
INLINE double exp_of(double r) {
    double square = r * r, fourth = square * square;
    double low = (0x1.0000000000001p-1 + 0x1.5555555555556p-3 * r) +
                 square * (0x1.5555555553d37p-5 + 0x1.11111111109a6p-7 * r);
    double middle = (0x1.6c16c1789d1d7p-10 + 0x1.a01a01a7cebcdp-13 * r) +
                    square * (0x1.a019b8ca26fcfp-16 + 0x1.71de0d85293b8p-19 * r);
    double high = 0x1.2891d4ffbb0f9p-22 + 0x1.af390ba7e6f47p-26 * r;
    return 1.0 + (r + square * (low + fourth * (middle + fourth * high)));
}

/* 2^f of |f| <= 1/2, interpolated likewise: wrong by 2e-5 units of 2^-24. */
INLINE double two_to_the(double f) {
    double square = f * f, fourth = square * square;
    double low = (1.0 + 0x1.62e42fef848fap-1 * f) + square * (0x1.ebfbdff823bd4p-3 + 0x1.c6b08dd79b67bp-5 * f);
    double middle = (0x1.3b2ab7184750ep-7 + 0x1.5d8744e96a1f7p-10 * f) +
                    square * (0x1.4308ac1c81dc6p-13 + 0x1.00dcc8b30def0p-16 * f);
    return low + fourth * (middle + fourth * 0x1.63d1c24a346d6p-20);
}

/* What is left of z once n is taken out: rounded, and less the shift in the last bits of `shifted`. */
INLINE double reduced(double z, double round, double *shifted) {
    *shifted = z * LOG2_E + round;
    double n = *shifted - round;
    return (z - n * LN2_HIGH) - n * LN2_LOW;
}

/* The place of the lowest bit that is set. */
INLINE int lowest_bit(uint32_t bits) {
#if defined(__GNUC__)
    return __builtin_ctz(bits);
#else
    unsigned long place;
    _BitScanForward(&place, bits);
    return (int)place;
#endif
}

/* 2^exponent, of exponents from -1022 to 1023. */
INLINE double power_of_two(int64_t exponent) {
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* The integer in the last bits of n. */
INLINE int64_t integer_of(double n) {
    const int64_t base = 0x4338000000000000; /* the bits of ROUND */
    int64_t bits;
    memcpy(&bits, &n, sizeof bits);
    return bits - base;
}

/* A term of the sum, of a double: one below `least` counts as if it were there, which is nothing beside the largest. */
INLINE double summand_double(Terms terms, double logit) {
    double n, z = logit * terms.scale;
    z = terms.least > z ? terms.least : z; /* NaN stays NaN */
    double value = exp_of(reduced(z, terms.round, &n));
    return value * power_of_two(integer_of(n));
}

/* A double times 2^n, of an n in the last bits of `shifted`, without leaving the normal ones. NaN stays NaN where its
   last 12 bits are 0, as those of a float are. */
INLINE double scaled_by(double value, double shifted) {
    uint64_t bits, exponent;
    memcpy(&bits, &value, sizeof bits);
    memcpy(&exponent, &shifted, sizeof exponent);
    bits += exponent << 52;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The same of a float, in fewer steps. */
INLINE double summand_float(Terms terms, double logit) {
    double z = logit * terms.scale_two;
    z = terms.least_two > z ? terms.least_two : z;
    double n = z + terms.round;
    return scaled_by(two_to_the(z - (n - terms.round)), n);
}

/* A term for itself, however small. */
INLINE double one_term(Terms terms, double logit) {
    double n, z = logit * terms.scale;
    if (z - terms.least < -100.0) return 0.0;
    double value = exp_of(reduced(z, terms.round, &n));
    int64_t exponent = integer_of(n), half = exponent / 2;
    return value * power_of_two(half) * power_of_two(exponent - half); /* only the last product can round */
}

INLINE Terms terms_of(double largest, double scale) {
    double two = scale * LOG2_E, shift = (largest * two + ROUND) - ROUND;
    Terms terms = {scale, two, largest * scale + LEAST, largest * two + LEAST * LOG2_E, ROUND - shift};
    return terms;
}

#endif
