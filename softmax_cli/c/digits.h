/* Numbers as text: integers, and floats in the shortest digits that read back to the same float.

   The digits are found as in Giulietti, "The Schubfach way to render doubles" (2020): of the decimals between both
   neighbours' midpoints the shortest, of the shortest the nearest. Three products with a power of ten, each rounded to
   odd, tell as much of the float and of both midpoints as comparing them takes. */

#ifndef SOFTMAX_DIGITS_H
#define SOFTMAX_DIGITS_H

#include <stdint.h>
#include <string.h>

#define LONGEST_NUMBER 26   /* bytes: of an int64 20, of a float64 24 */
#define SLACK 24            /* bytes that may be written behind any piece, for the next one to write over */
#define LEAST_POWER (-292)  /* of ten; the greatest is 324 */
#define POWERS_OF_TEN 617

/* 10^p for every power from the least on: the upper 128 bits, a one in front, plus one in the last of them. */
typedef struct {
    uint64_t high, low;
} Power;

/* digits * 10^exponent */
typedef struct {
    uint64_t digits;
    int exponent;
} Decimal;

/* How a type of floats is written: without an exponent from 10^(least + 1) up to 10^greatest. */
typedef struct {
    int least, greatest;
} Range;

static const Range SINGLE_RANGE = {-6, 13}, DOUBLE_RANGE = {-5, 16};

static inline int floor_log10_of_power_of_2(int e) { return (e * 1262611) >> 22; }
static inline int floor_log10_of_three_quarters_of_power_of_2(int e) { return (e * 1262611 - 524031) >> 22; }
static inline int floor_log2_of_power_of_10(int e) { return (e * 1741647) >> 19; }

static inline uint64_t product(uint64_t a, uint64_t b, uint64_t *low) {
#if defined(__SIZEOF_INT128__)
    unsigned __int128 whole = (unsigned __int128)a * b;
    *low = (uint64_t)whole;
    return (uint64_t)(whole >> 64);
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t lowest = a0 * b0, middle = a1 * b0 + (lowest >> 32), other = a0 * b1 + (uint32_t)middle;
    *low = (other << 32) | (uint32_t)lowest;
    return a1 * b1 + (middle >> 32) + (other >> 32);
#endif
}

/* power * factor / 2^128, rounded to odd: what is cut off leaves a one in the last bit. */
static inline uint64_t scaled(Power power, uint64_t factor) {
    uint64_t rest, middle, carry = product(power.low, factor, &rest), upper = product(power.high, factor, &middle);
    middle += carry;
    upper += middle < carry;
    return upper | (middle > 1);
}

/* The shortest decimal of m * 2^e, m > 0. is_uneven: the float below is only half as far away as the one above. */
static inline Decimal shortest(uint64_t m, int e, int is_uneven, const Power *powers) {
    int k = is_uneven ? floor_log10_of_three_quarters_of_power_of_2(e) : floor_log10_of_power_of_2(e);
    int shift = e + floor_log2_of_power_of_10(-k) + 1;
    Power power = powers[-k - LEAST_POWER];
    uint64_t odd = m & 1, below = scaled(power, (4 * m - 2 + (uint64_t)is_uneven) << shift) + odd;
    uint64_t value = scaled(power, (4 * m) << shift), above = scaled(power, (4 * m + 2) << shift) - odd;
    uint64_t whole = value / 4; /* everything is in quarters of 10^k */
    if (whole >= 10) {
        uint64_t tens = whole / 10;
        int down = below <= 40 * tens, up = 40 * tens + 40 <= above;
        if (down != up) return (Decimal){tens + (uint64_t)up, k + 1};
    }
    int down = below <= 4 * whole, up = 4 * whole + 4 <= above;
    if (down != up) return (Decimal){whole + (uint64_t)up, k};
    uint64_t half = 4 * whole + 2;
    return (Decimal){whole + (value > half || (value == half && (whole & 1))), k};
}

static const char PAIRS[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

/* Write the digits of a number, 20 at the most, before `end`; returns where they begin. */
static inline char *digits_before(char *end, uint64_t number) {
    while (number >= 100) {
        end -= 2;
        memcpy(end, PAIRS + 2 * (number % 100), 2);
        number /= 100;
    }
    if (number >= 10) return memcpy(end - 2, PAIRS + 2 * number, 2);
    *--end = (char)('0' + number);
    return end;
}

static inline char *put_bytes(char *out, const char *bytes, size_t length) {
    memcpy(out, bytes, length);
    return out + length;
}

/* Copy up to 20 digits, of which as many can be read from any on: a copy of a fixed size takes no call. */
static inline char *put_digits(char *out, const char *digits, int count) {
    memcpy(out, digits, 20);
    return out + count;
}

/* Write up to 16 zeros. */
static inline char *put_zeros(char *out, int count) {
    memset(out, '0', 16);
    return out + count;
}

static inline char *put_integer(char *out, int64_t value) {
    char digits[40], *end = digits + 20, *begin = digits_before(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    if (value < 0) *out++ = '-';
    return put_digits(out, begin, (int)(end - begin));
}

static inline char *put_decimal(char *out, Decimal decimal, Range range) {
    while (decimal.digits % 10 == 0) decimal = (Decimal){decimal.digits / 10, decimal.exponent + 1};
    char buffer[40], *end = buffer + 20, *digits = digits_before(end, decimal.digits);
    int count = (int)(end - digits), point = count + decimal.exponent; /* 0.digits * 10^point */
    if (point > range.least && point <= 0) {
        out = put_zeros(put_bytes(out, "0.", 2), -point);
        return put_digits(out, digits, count);
    }
    if (point > 0 && point <= range.greatest) {
        if (point >= count) {
            out = put_zeros(put_digits(out, digits, count), point - count);
            return put_bytes(out, ".0", 2);
        }
        out = put_digits(out, digits, point);
        *out++ = '.';
        return put_digits(out, digits + point, count - point);
    }
    *out++ = digits[0];
    if (count > 1) {
        *out++ = '.';
        out = put_digits(out, digits + 1, count - 1);
    }
    *out++ = 'e';
    if (point > 0) *out++ = '+';
    return put_integer(out, point - 1);
}

/* Write a float that is finite, as its bits: a fraction of so many bits, and an exponent counted from `bias` on. */
static inline char *put_finite(char *out, uint64_t fraction, int exponent, int bits, int bias, Range range,
                               const Power *powers) {
    if (!exponent && !fraction) return put_bytes(out, "0.0", 3);
    uint64_t m = exponent ? fraction | (uint64_t)1 << bits : fraction;
    int e = (exponent ? exponent : 1) - bias - bits;
    return put_decimal(out, shortest(m, e, !fraction && exponent > 1, powers), range);
}

static inline char *put_single(char *out, float value, const Power *powers) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (bits >> 31) *out++ = '-';
    return put_finite(out, bits & 0x7fffff, bits >> 23 & 0xff, 23, 127, SINGLE_RANGE, powers);
}

static inline char *put_double(char *out, double value, const Power *powers) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (bits >> 63) *out++ = '-';
    return put_finite(out, bits & 0xfffffffffffff, bits >> 52 & 0x7ff, 52, 1023, DOUBLE_RANGE, powers);
}

#endif
