/* Lines of numbers as float64, correctly rounded: of delimited text, and of JSON arrays.

   Only what is plainly written is read: JSON's numbers, of at most 19 digits and with a decimal exponent of at most 27
   either way. Anything else is declined, for `softmax_cli/sources` to look at more slowly.

   A number is an integer m times 10^q. If m has 53 bits and 10^|q| too, one operation rounds it as it should be
   (Clinger, 1990); else m times or divided by 5^|q| is worked out to 128 bits, and rounded once. */

#define PY_SSIZE_T_CLEAN
#include "text.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define DIGITS 19      /* that fit 64 bits */
#define EXPONENT 27    /* of 5, of the largest power that fits 63 bits */
#define EXACT_POWER 22 /* of 10, of the largest power that a double holds */

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#if defined(__SIZEOF_INT128__)
typedef unsigned __int128 Wide;

static int bit_length(Wide value) {
    uint64_t high = (uint64_t)(value >> 64), low = (uint64_t)value;
    return high ? 128 - __builtin_clzll(high) : low ? 64 - __builtin_clzll(low) : 0;
}

/* m * 10^q, of m > 0, rounded to nearest, ties to even. */
static int rounded(uint64_t m, int q, double *value) {
    if (q > EXPONENT || q < -EXPONENT) return 0;
    uint64_t power = 1;
    for (int left = q < 0 ? -q : q; left; left--) power *= 5;
    Wide product;
    int exponent = q, rest = 0;
    if (q < 0) {
        int shift = __builtin_clzll(m);
        Wide dividend = (Wide)(m << shift) << 64;
        product = dividend / power;
        rest = dividend % power != 0;
        exponent = q - 64 - shift;
    } else {
        product = (Wide)m * power;
    }
    int surplus = bit_length(product) - 53;
    if (surplus > 0) {
        Wide half = (Wide)1 << (surplus - 1), below = product & ((half << 1) - 1);
        product >>= surplus;
        exponent += surplus;
        product += below > half || (below == half && (rest || (product & 1)));
    }
    *value = ldexp((double)(uint64_t)product, exponent);
    return 1;
}
#else
static int rounded(uint64_t m, int q, double *value) { return 0; }
#endif

/* Read the digits from `at` on; returns where they end. */
static inline const char *digits(const char *at, const char *end, uint64_t *m) {
    uint64_t value = *m;
    for (; at < end && (unsigned char)(*at - '0') < 10; at++) value = value * 10 + (unsigned char)(*at - '0');
    *m = value;
    return at;
}

/* Read a number; returns where it ends, or NULL where it isn't plain. integral: whether it is written as an integer. */
static inline const char *number(const char *at, const char *end, double *value, int *integral) {
    int negative = at < end && *at == '-';
    const char *first = at + negative;
    uint64_t m = 0;
    at = digits(first, end, &m);
    if (at == first || (*first == '0' && at - first > 1)) return NULL;
    int64_t count = at - first;
    int q = 0;
    *integral = 1;
    if (at < end && *at == '.') {
        const char *fraction = at + 1;
        at = digits(fraction, end, &m);
        if (at == fraction) return NULL;
        if (at - fraction > DIGITS + EXPONENT) return NULL;
        q = -(int)(at - fraction);
        count += at - fraction;
        *integral = 0;
    }
    if (count > DIGITS) { /* zeros in front don't count */
        if (*first == '0')
            for (first += 2, count--; count > DIGITS && first < at && *first == '0'; first++) count--;
        if (count > DIGITS) return NULL;
    }
    if (at < end && (*at | 32) == 'e') {
        const char *sign = at + 1, *power = sign + (sign < end && (*sign == '-' || *sign == '+'));
        uint64_t exponent = 0;
        at = digits(power, end, &exponent);
        if (at == power || at - power > 4) return NULL;
        q += *sign == '-' ? -(int)exponent : (int)exponent;
        *integral = 0;
    }
    double magnitude = (double)m;
    if (m >> 53 || q > EXACT_POWER || q < -EXACT_POWER) {
        if (m && !rounded(m, q, &magnitude)) return NULL;
    } else {
        magnitude = q < 0 ? magnitude / POWERS[-q] : magnitude * POWERS[q];
    }
    *value = negative ? -magnitude : magnitude;
    return at;
}

/* Behind the line end at `at`, or at the text's end; NULL where there is neither. */
static inline const char *line_end(const char *at, const char *end) {
    if (at == end) return at;
    if (*at == '\r') at++;
    return at < end && *at == '\n' ? at + 1 : NULL;
}

/* Skip lines that are empty. */
static inline const char *skip_empty(const char *at, const char *end) {
    for (const char *next; at < end && (*at == '\n' || *at == '\r') && (next = line_end(at, end)) != NULL;) at = next;
    return at;
}

/* What is read, and where it goes: `numbers` and `places` of so many values a row, for at most `rows` rows. */
typedef struct {
    double *values;
    int64_t *places;
    int64_t rows, columns;
} Room;

static inline const char *skip_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    return at;
}

/* Find the end of a text, and where it stands: what is between quotes, if it begins with one. NULL where it isn't plain. */
static inline const char *text_cell(const char *at, const char *end, char separator, const char **begin,
                                    const char **stop) {
    int is_quoted = at < end && *at == '"';
    *begin = at += is_quoted;
    while (at < end && *at != '"' && *at != '\n' && *at != '\r' && (is_quoted || *at != separator)) at++;
    *stop = at;
    if (is_quoted) return at < end && *at == '"' ? at + 1 : NULL;
    return at < end && *at == '"' ? NULL : at;
}

static int64_t read_table(const char *text, const char *end, char separator, const char *is_text, Room room) {
    const char *at = text;
    int64_t rows = 0;
    double *value = room.values;
    int64_t *place = room.places;
    int may_pad = separator != ' ' && separator != '\t';
    while ((at = skip_empty(at, end)) < end) {
        if (rows == room.rows) return -1;
        for (int64_t column = 0; column < room.columns; column++) {
            if (column && (at == end || *at++ != separator)) return -1;
            if (is_text != NULL && is_text[column]) {
                const char *begin, *stop;
                if ((at = text_cell(at, end, separator, &begin, &stop)) == NULL) return -1;
                *place++ = begin - text;
                *place++ = stop - text;
            } else {
                int integral;
                at = may_pad ? skip_blanks(at, end) : at;
                if ((at = number(at, end, value++, &integral)) == NULL) return -1;
                at = may_pad ? skip_blanks(at, end) : at;
            }
        }
        if ((at = line_end(at, end)) == NULL) return -1;
        rows++;
    }
    return rows;
}

static int64_t read_arrays(const char *text, const char *end, Room room) {
    const char *at = text;
    int64_t rows = 0;
    double *value = room.values;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at)), *begin;
        stop = stop == NULL ? end : stop;
        if (rows == room.rows || (begin = memchr(at, '[', (size_t)(stop - at))) == NULL) return -1;
        room.places[rows * 2] = begin - text;
        at = begin;
        for (int64_t column = 0; column < room.columns; column++, value++) {
            int integral;
            if (*at++ != (column ? ',' : '[')) return -1;
            if ((at = number(skip_blanks(at, stop), stop, value, &integral)) == NULL) return -1;
            if (integral && *value == 0.0 && signbit(*value)) return -1; /* an integer has no sign at 0 */
            if ((at = skip_blanks(at, stop)) == stop) return -1;
        }
        if (*at++ != ']') return -1;
        room.places[rows * 2 + 1] = at - text;
        if (memchr(at, '[', (size_t)(stop - at)) != NULL) return -1;
        rows++;
        at = stop == end ? end : stop + 1;
    }
    return rows;
}

/* The room that two writable buffers of float64 and int64 give. */
static int room_of(const Py_buffer *values, const Py_buffer *places, int64_t numbers, int64_t pairs, Room *room) {
    int64_t of_values = numbers ? values->len / 8 / numbers : INT64_MAX;
    int64_t of_places = pairs ? places->len / 16 / pairs : INT64_MAX;
    room->values = values->buf;
    room->places = places->buf;
    room->rows = of_values < of_places ? of_values : of_places;
    return numbers + pairs > 0;
}

const char table_doc[] =
    "table(text, separator, columns, is_text, values, places)\n--\n\n"
    "Read lines of numbers and texts with one separator between them; lines that are empty are passed over.\n\n"
    "text: bytes. is_text: a byte a column, 1 for texts, or None where there are none. values: float64 with room\n"
    "for the numbers of the rows, places: int64 with room for where each text begins and ends; both are written.\n"
    "Returns how many rows there are, or -1 where a line isn't plain: with a quote within a cell, another number of\n"
    "cells, or a number that isn't written as JSON would, or that takes more than 19 digits.";

PyObject *table(PyObject *module, PyObject *arguments) {
    Py_buffer text, is_text = {0}, values, places;
    Py_ssize_t columns;
    int separator;
    int64_t rows = -1;
    if (!PyArg_ParseTuple(arguments, "y*inz*w*w*", &text, &separator, &columns, &is_text, &values, &places))
        return NULL;
    int64_t texts = 0;
    for (Py_ssize_t column = 0; is_text.buf != NULL && column < is_text.len; column++)
        texts += ((const char *)is_text.buf)[column] != 0;
    Room room;
    int fits = columns > 0 && (is_text.buf == NULL || is_text.len == columns) &&
               room_of(&values, &places, columns - texts, texts, &room);
    if (fits) {
        room.columns = columns;
        Py_BEGIN_ALLOW_THREADS
        const char *begin = text.buf;
        rows = read_table(begin, begin + text.len, (char)separator, is_text.buf, room);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&places);
    PyBuffer_Release(&values);
    if (is_text.buf != NULL) PyBuffer_Release(&is_text);
    PyBuffer_Release(&text);
    if (fits) return PyLong_FromLongLong(rows);
    PyErr_SetString(PyExc_ValueError, "expected a byte of is_text for every column");
    return NULL;
}

const char arrays_doc[] =
    "arrays(text, columns, values, places)\n--\n\n"
    "Read lines that hold one JSON array of numbers each, whatever else they hold.\n\n"
    "values: float64 with room for the numbers of the rows, places: int64 with room for where each array begins\n"
    "and ends; both are written. Returns how many rows there are, or -1 where a line isn't plain: with another\n"
    "bracket, another number of elements, or numbers that take more than 19 digits.";

PyObject *arrays(PyObject *module, PyObject *arguments) {
    Py_buffer text, values, places;
    Py_ssize_t columns;
    int64_t rows = -1;
    if (!PyArg_ParseTuple(arguments, "y*nw*w*", &text, &columns, &values, &places)) return NULL;
    Room room;
    int fits = columns > 0 && room_of(&values, &places, columns, 1, &room);
    if (fits) {
        room.columns = columns;
        Py_BEGIN_ALLOW_THREADS
        const char *begin = text.buf;
        rows = read_arrays(begin, begin + text.len, room);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&places);
    PyBuffer_Release(&values);
    PyBuffer_Release(&text);
    if (fits) return PyLong_FromLongLong(rows);
    PyErr_SetString(PyExc_ValueError, "expected one column or more");
    return NULL;
}
