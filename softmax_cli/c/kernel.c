/* The top classes of rows and their softmax probabilities, in one pass over memory: see `softmax_cli/compiled.py`.

   Everything here has its counterpart in numpy, in `softmax_cli/ranking.py`, and is tested against it. The loops are
   plain ones that compilers turn into vector instructions; on x86-64 they are compiled for several of them, and the
   processor's are chosen when the module is loaded.

   exp(z) is 2^n exp(r), with n = z / ln 2 rounded and r = z - n ln 2 in two steps, of which the first is exact (Cody
   and Waite, 1980); for float32 logits, 2^n 2^f is enough. Logits aren't shifted by the largest, which would round:
   2^-m goes into the power of two, and no digit is lost. */

#define PY_SSIZE_T_CLEAN
#include "lines.h"
#include "text.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 64        /* of the search for a threshold: more make it sharper, and cost more registers */
#define FEW 8           /* up to so many classes a quarter of the lanes is enough */
#define ROWS 16         /* that are worked at once where classes are few: no more than LANES */
#define MOST_TOP 32     /* classes that are selected here */
#define STEP 32         /* logits that are compared at once: as many as there are bits in a word */
#define CANDIDATES 64   /* more, of which many must be equal, are taken one after another */
#define STRETCH 4096    /* terms that are added one after another */
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

/* How a row's logits become terms: exp(x * scale) / 2^shift, of exponents from `least` on, to the base 2 `least_two`. */
typedef struct {
    double scale, scale_two, least, least_two, round;
} Terms;

/* exp(r) of |r| <= ln 2 / 2: (exp(r) - 1 - r) / r^2 interpolated at its Chebyshev nodes, computed at 60 digits. The
   result is wrong by 0.15 units of 2^-53 at the most, and by its own rounding. */
INLINE double exp_of(double r) {
    double p = 0x1.af390ba7e6f47p-26;
    p = p * r + 0x1.2891d4ffbb0f9p-22;
    p = p * r + 0x1.71de0d85293b8p-19;
    p = p * r + 0x1.a019b8ca26fcfp-16;
    p = p * r + 0x1.a01a01a7cebcdp-13;
    p = p * r + 0x1.6c16c1789d1d7p-10;
    p = p * r + 0x1.11111111109a6p-7;
    p = p * r + 0x1.5555555553d37p-5;
    p = p * r + 0x1.5555555555556p-3;
    p = p * r + 0x1.0000000000001p-1;
    return 1.0 + (r + r * r * p);
}

/* 2^f of |f| <= 1/2, interpolated likewise: wrong by 0.05 units of 2^-24. */
INLINE double two_to_the(double f) {
    double square = f * f;
    double low = 1.0 + 0x1.62e430d18e928p-1 * f, middle = 0x1.ebfbe0466cb1ep-3 + 0x1.c6aeca9979e8ep-5 * f;
    double high = (0x1.3b2a1ad1a32b5p-7 + 0x1.5f49a6ab4cc83p-10 * f) + 0x1.44409f532de58p-13 * square;
    return low + square * (middle + square * high);
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

/* A double times 2^n, of an n in the last bits of `shifted`, without leaving the normal ones. NaN stays NaN where its last
   12 bits are 0, as those of a float are. */
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

#define REAL float
#define NAME(name) name##_float
INLINE double total_float(const float *row, int64_t classes, Terms terms) {
    double total = 0.0;
    VECTOR_SUM(total)
    for (int64_t index = 0; index < classes; index++) total += summand_float(terms, row[index]);
    return total;
}
#define INDEX int32_t
#include "rows.h"
#include "few.h"
#undef REAL
#undef NAME
#undef INDEX

#define REAL double
#define NAME(name) name##_double
/* As `activation.exact_sum` does: the parts on the grid add without rounding. What is left is added in stretches, of
   which each rounds little. */
INLINE double total_double(const double *row, int64_t classes, Terms terms) {
    double total = 0.0, rest = 0.0;
    for (int64_t first = 0; first < classes; first += STRETCH) {
        int64_t end = classes - first < STRETCH ? classes : first + STRETCH;
        double left = 0.0;
        VECTOR_SUM(total, left)
        for (int64_t index = first; index < end; index++) {
            double term = summand_double(terms, row[index]);
            double high = (term + GRID) - GRID;
            total += high;
            left += term - high;
        }
        rest += left;
    }
    return total + rest;
}
#define INDEX int64_t
#include "rows.h"
#include "few.h"
#undef REAL
#undef NAME
#undef INDEX

/* A table of logits: how many rows and classes, and how many elements they lie apart. */
typedef struct {
    const void *logits;
    int64_t rows, classes, row_step, class_step;
} Table;

typedef struct {
    const char *name;
    void (*rank_float)(Table, int, int, double, int64_t *, float *, float *);
    void (*rank_double)(Table, int, int, double, int64_t *, double *, double *);
} Variant;

#define VARIANT_OF_TYPE(type, name, target)                                                                          \
    target static void rank_##type##_##name(Table table, int k, int selected, double scale, int64_t *indices,         \
                                            type *chosen, type *probabilities) {                                      \
        if (table.classes <= LANES)                                                                                   \
            rank_few_##type(table.logits, table.rows, (int)table.classes, table.row_step, table.class_step, k,        \
                            selected, scale, indices, chosen, probabilities);                                         \
        else                                                                                                          \
            rank_##type(table.logits, table.rows, table.classes, k, selected, scale, indices, chosen, probabilities); \
    }
#define VARIANT(name, target) VARIANT_OF_TYPE(float, name, target) VARIANT_OF_TYPE(double, name, target)
#define VARIANT_OF(name) {#name, rank_float_##name, rank_double_##name}

VARIANT(baseline, )
#if defined(__GNUC__) && defined(__x86_64__)
VARIANT(avx2, __attribute__((target("avx2,fma"))))
#if defined(__clang__)
#define WIDE
#else
#define WIDE ",prefer-vector-width=512"
#endif
VARIANT(avx512, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma" WIDE))))

static const Variant variants[] = {VARIANT_OF(baseline), VARIANT_OF(avx2), VARIANT_OF(avx512)};

/* How many of them, from the first, this processor can run. */
static int usable_variants(void) {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
    int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    return wide ? 3 : 2;
}
#else
static const Variant variants[] = {VARIANT_OF(baseline)};

static int usable_variants(void) { return 1; }
#endif

/* Whether a buffer is a table of numbers of a type ('q' for int64), of as many rows as the first. */
static int is_table(const Py_buffer *view, char type, const Py_buffer *first) {
    int of_type = type == 'q' ? view->itemsize == 8 && strchr("lq", view->format[0]) : view->format[0] == type;
    return of_type && view->format[1] == 0 && view->ndim == 2 && view->shape[0] == first->shape[0];
}

static PyObject *rank_tables(const Py_buffer *logits, const Py_buffer *indices, const Py_buffer *chosen,
                             const Py_buffer *probabilities, int selected, double scale, int variant) {
    char type = logits->format[0] == 'f' ? 'f' : 'd';
    if (!is_table(logits, type, logits) || !is_table(indices, 'q', logits) || !is_table(chosen, type, logits) ||
        !is_table(probabilities, type, logits) || indices->shape[1] != chosen->shape[1] ||
        indices->shape[1] != probabilities->shape[1] || logits->strides[0] % logits->itemsize ||
        logits->strides[1] % logits->itemsize) {
        PyErr_SetString(PyExc_ValueError, "expected tables of float32 or float64, of int64, and of the first's type");
        return NULL;
    }
    Table table = {logits->buf, logits->shape[0], logits->shape[1], logits->strides[0] / logits->itemsize,
                   logits->strides[1] / logits->itemsize};
    int64_t k = indices->shape[1];
    int is_few = table.classes <= LANES, usable = usable_variants();
    int is_contiguous = table.class_step == 1 && (table.row_step == table.classes || table.rows < 2);
    if (k < 1 || k > table.classes || (!selected && k > (is_few ? FEW : MOST_TOP)) || k > INT_MAX ||
        (!is_few && !is_contiguous) || variant >= usable) {
        PyErr_SetString(PyExc_ValueError, "more classes than it takes, rows that aren't contiguous, or no such variant");
        return NULL;
    }
    const Variant *used = &variants[variant < 0 ? usable - 1 : variant];
    Py_BEGIN_ALLOW_THREADS
    if (type == 'f')
        used->rank_float(table, (int)k, selected, scale, indices->buf, chosen->buf, probabilities->buf);
    else used->rank_double(table, (int)k, selected, scale, indices->buf, chosen->buf, probabilities->buf);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

PyDoc_STRVAR(rank_doc, "rank(logits, indices, chosen, probabilities, selected, scale, variant=-1)\n--\n\n"
                       "Find the top classes of every row, and their softmax probabilities.\n\n"
                       "logits: (rows, classes), float32 or float64; of more than FEW_CLASSES classes contiguous.\n"
                       "indices, (rows, k) int64, and the chosen logits and the probabilities, (rows, k) of the\n"
                       "logits' type, are written.\n"
                       "selected: the indices are there already, as they must be for k above MOST_TOP, or above\n"
                       "MOST_TOP_OF_FEW. scale: 1 / temperature; 1 for float64. variant: of `variants`; -1: the best.\n"
                       "A row whose first probability is NaN is left to the caller: it holds NaN or infinities, or\n"
                       "float64 logits that are too large. Raises ValueError for other shapes and types.");

static PyObject *rank(PyObject *module, PyObject *arguments) {
    PyObject *objects[4];
    Py_buffer views[4];
    int selected, variant = -1, held = 0;
    double scale;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(arguments, "OOOOpd|i", &objects[0], &objects[1], &objects[2], &objects[3], &selected,
                          &scale, &variant))
        return NULL;
    for (; held < 4; held++) {
        int flags = PyBUF_FORMAT | (held ? PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE : PyBUF_STRIDES);
        if (PyObject_GetBuffer(objects[held], &views[held], flags)) break;
    }
    if (held == 4) result = rank_tables(&views[0], &views[1], &views[2], &views[3], selected, scale, variant);
    while (held) PyBuffer_Release(&views[--held]);
    return result;
}

PyDoc_STRVAR(names_doc, "variants()\n--\n\nThe instruction sets that this processor can run, the best last.");

static PyObject *names(PyObject *module, PyObject *none) {
    int count = usable_variants();
    PyObject *result = PyTuple_New(count);
    for (int place = 0; result != NULL && place < count; place++) {
        PyObject *name = PyUnicode_FromString(variants[place].name);
        if (name == NULL || PyTuple_SetItem(result, place, name)) Py_CLEAR(result);
    }
    return result;
}

static PyMethodDef functions[] = {
    {"rank", rank, METH_VARARGS, rank_doc},
    {"variants", names, METH_NOARGS, names_doc},
    {"table", table, METH_VARARGS, table_doc},
    {"arrays", arrays, METH_VARARGS, arrays_doc},
    {"lines", lines, METH_VARARGS, lines_doc},
    {NULL, NULL, 0, NULL},
};

static int set_up(PyObject *module) {
    return PyModule_AddIntConstant(module, "FEW_CLASSES", LANES) || PyModule_AddIntConstant(module, "MOST_TOP", MOST_TOP) ||
                   PyModule_AddIntConstant(module, "MOST_TOP_OF_FEW", FEW)
               ? -1
               : 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, set_up}, {0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_kernel",
    .m_doc = "Top classes of rows and their softmax probabilities.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&definition); }
