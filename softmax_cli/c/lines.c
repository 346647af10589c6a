/* Results as lines of text: delimited, or JSON. What a line is made of says `softmax_cli/sinks/compiled_lines.py`.

   While the interpreter's lock is held, pieces are looked at and texts found; what is written then fits what was set
   aside for it. */

#define PY_SSIZE_T_CLEAN
#include "lines.h"

#include "digits.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    const char *bytes; /* NULL: there is none */
    Py_ssize_t length;
} Text;

typedef enum { LITERAL, RANK, INTEGERS, SINGLES, DOUBLES, TEXTS } Kind;

/* What stands at one place of every line: always the same, or one of a row, or one of a prediction. */
typedef struct {
    Kind kind;
    int is_of_row;
    Text literal;
    char start[SLACK]; /* of the literal */
    void *owned; /* texts, or an escaped literal */
    Py_buffer numbers;
} Piece;

typedef struct {
    Piece *pieces;
    Py_ssize_t count;
} Pieces;

typedef struct {
    int64_t rows, k;
    char separator; /* '\0': JSON */
    const Power *powers;
} Shape;

static char *put_delimited(char *out, Text text, char separator) {
    if (text.bytes == NULL) return out;
    int is_plain = text.length > 0;
    for (Py_ssize_t at = 0; at < text.length && is_plain; at++) {
        char byte = text.bytes[at];
        is_plain = byte != separator && byte != '"' && byte != '\n' && byte != '\r';
    }
    if (is_plain) return put_bytes(out, text.bytes, (size_t)text.length);
    *out++ = '"';
    for (Py_ssize_t at = 0; at < text.length; at++) {
        if (text.bytes[at] == '"') *out++ = '"';
        *out++ = text.bytes[at];
    }
    *out++ = '"';
    return out;
}

/* A byte of a JSON text that can't stand for itself. */
static char *put_escape(char *out, unsigned char byte) {
    static const char SHORT[] = "\bb\ff\nn\rr\tt\"\"\\\\", HEX[] = "0123456789abcdef";
    *out++ = '\\';
    for (const char *pair = SHORT; *pair; pair += 2)
        if ((unsigned char)*pair == byte) {
            *out++ = pair[1];
            return out;
        }
    out = put_bytes(out, "u00", 3);
    *out++ = HEX[byte >> 4];
    *out++ = HEX[byte & 15];
    return out;
}

static char *put_json(char *out, Text text) {
    if (text.bytes == NULL) return put_bytes(out, "null", 4);
    *out++ = '"';
    for (Py_ssize_t at = 0; at < text.length; at++) {
        unsigned char byte = (unsigned char)text.bytes[at];
        if (byte < 0x20 || byte == '"' || byte == '\\') out = put_escape(out, byte);
        else *out++ = (char)byte;
    }
    *out++ = '"';
    return out;
}

static char *put_text(char *out, Text text, char separator) {
    return separator ? put_delimited(out, text, separator) : put_json(out, text);
}

/* How many bytes a text takes at the most: in JSON each of its bytes may be an escape, in a cell a doubled quote. */
static size_t most_bytes(Text text, char separator) { return (separator ? 2 : 6) * (size_t)text.length + 4; }

/* Set aside room for so many times so many bytes; more than there can be stays more than there can be. */
static void reserve(size_t *room, size_t times, size_t bytes) {
    const size_t most = PY_SSIZE_T_MAX;
    *room = bytes && times > (most - *room) / bytes ? most : *room + times * bytes;
}

static char *put_not_finite(char *out, double value, int is_json) {
    const char *word = is_json ? "null" : isnan(value) ? "NaN" : value < 0 ? "-inf" : "inf";
    return put_bytes(out, word, strlen(word));
}

static inline char *put_literal(char *out, const Piece *piece) {
    memcpy(out, piece->start, SLACK); /* of a fixed size, it takes no call */
    if (piece->literal.length > SLACK)
        memcpy(out + SLACK, piece->literal.bytes + SLACK, (size_t)(piece->literal.length - SLACK));
    return out + piece->literal.length;
}

/* Write the pieces for a prediction of a row; of pieces that are of the row, the place doesn't matter. */
static char *put_pieces(char *out, Pieces pieces, const Shape *shape, int64_t row, int64_t place) {
    for (Py_ssize_t number = 0; number < pieces.count; number++) {
        const Piece *piece = &pieces.pieces[number];
        int64_t index = piece->is_of_row ? row : row * shape->k + place;
        const void *values = piece->numbers.buf;
        double value;
        switch (piece->kind) {
        case LITERAL: out = put_literal(out, piece); break;
        case RANK: out = put_integer(out, place + 1); break;
        case INTEGERS: out = put_integer(out, ((const int64_t *)values)[index]); break;
        case SINGLES:
            value = ((const float *)values)[index];
            out = isfinite(value) ? put_single(out, (float)value, shape->powers)
                                  : put_not_finite(out, value, !shape->separator);
            break;
        case DOUBLES:
            value = ((const double *)values)[index];
            out = isfinite(value) ? put_double(out, value, shape->powers)
                                  : put_not_finite(out, value, !shape->separator);
            break;
        case TEXTS: out = put_text(out, ((const Text *)piece->owned)[index], shape->separator); break;
        }
    }
    return out;
}

static char *put_rows(char *out, const Pieces parts[3], Text between, const Shape *shape, const int64_t *counts) {
    for (int64_t row = 0; row < shape->rows; row++) {
        int64_t count = counts == NULL || counts[row] > shape->k ? shape->k : counts[row];
        out = put_pieces(out, parts[0], shape, row, 0);
        for (int64_t place = 0; place < count; place++) {
            if (place) out = put_bytes(out, between.bytes, (size_t)between.length);
            out = put_pieces(out, parts[1], shape, row, place);
        }
        out = put_pieces(out, parts[2], shape, row, 0);
    }
    return out;
}

static int text_of(PyObject *names, int64_t place, Text *text) {
    PyObject *name = PySequence_GetItem(names, (Py_ssize_t)place); /* which `names` holds on to */
    if (name == NULL) return -1;
    *text = (Text){NULL, 0};
    if (name != Py_None) text->bytes = PyUnicode_AsUTF8AndSize(name, &text->length);
    Py_DECREF(name);
    return name != Py_None && text->bytes == NULL ? -1 : 0;
}

/* Find the text of each prediction, or row; adds to `room` what they take at the most. */
static int take_texts(Piece *piece, PyObject *names, const int64_t *indices, const Shape *shape, int is_of_body,
                      size_t *room) {
    int64_t count = piece->is_of_row ? shape->rows : shape->rows * shape->k;
    size_t times = (size_t)(is_of_body && piece->is_of_row ? shape->k : 1);
    Text *texts = piece->owned = malloc(sizeof(Text) * (size_t)(count + 1));
    if (texts == NULL) return PyErr_NoMemory(), -1;
    for (int64_t place = 0; place < count; place++) {
        if (text_of(names, indices == NULL ? place : indices[place], &texts[place])) return -1;
        reserve(room, times, most_bytes(texts[place], shape->separator));
    }
    piece->kind = TEXTS;
    return 0;
}

static void be_literal(Piece *piece, const char *bytes, Py_ssize_t length) {
    piece->literal = (Text){bytes, length};
    memcpy(piece->start, bytes, (size_t)(length < SLACK ? length : SLACK));
}

/* Make a literal of a text that is always the same. */
static int take_text(Piece *piece, PyObject *names, const Shape *shape) {
    Text text;
    if (text_of(names, 0, &text)) return -1;
    char *escaped = piece->owned = malloc(most_bytes(text, shape->separator));
    if (escaped == NULL) return PyErr_NoMemory(), -1;
    be_literal(piece, escaped, put_text(escaped, text, shape->separator) - escaped);
    return 0;
}

/* Take an array of numbers: of one a row, or in the body of one a prediction. */
static int take_numbers(Piece *piece, PyObject *array, const Shape *shape, int is_of_body) {
    if (PyObject_GetBuffer(array, &piece->numbers, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS)) return -1;
    const Py_buffer *view = &piece->numbers;
    char format = view->format[0] && !view->format[1] ? view->format[0] : '?';
    piece->kind = format == 'f' ? SINGLES : format == 'd' ? DOUBLES : INTEGERS;
    piece->is_of_row = view->ndim == 1;
    int fits = view->ndim == 1 || (view->ndim == 2 && is_of_body && view->shape[1] == shape->k);
    int is_known = piece->kind != INTEGERS || (strchr("lq", format) && view->itemsize == 8);
    if (fits && is_known && view->shape[0] == shape->rows) return 0;
    PyErr_SetString(PyExc_ValueError, "expected int64, float32 or float64, of one a row or one a prediction");
    return -1;
}

/* Take a piece of the body, which stands once a prediction, or of head or tail; adds to `room` what it takes at most. */
static int take(Piece *piece, PyObject *item, const Shape *shape, int is_of_body, size_t *room) {
    PyObject *names, *indices = Py_None;
    int64_t times = is_of_body ? shape->rows * shape->k : shape->rows;
    piece->kind = LITERAL;
    if (item == Py_None) {
        piece->kind = RANK;
    } else if (PyBytes_Check(item)) {
        be_literal(piece, PyBytes_AsString(item), PyBytes_Size(item));
    } else if (!PyTuple_Check(item)) {
        if (take_numbers(piece, item, shape, is_of_body)) return -1;
    } else if (!PyArg_ParseTuple(item, "O|O", &names, &indices)) {
        return -1;
    } else if (!PyTuple_Check(names) && !PyList_Check(names)) { /* others may not hold on to the texts they give */
        return PyErr_SetString(PyExc_TypeError, "expected a tuple or list of texts"), -1;
    } else if (indices != Py_None) {
        if (take_numbers(piece, indices, shape, is_of_body)) return -1;
        if (piece->kind != INTEGERS) return PyErr_SetString(PyExc_ValueError, "indices are int64"), -1;
        return take_texts(piece, names, piece->numbers.buf, shape, is_of_body, room);
    } else {
        piece->is_of_row = 1;
        if (PySequence_Size(names) != 1) return take_texts(piece, names, NULL, shape, is_of_body, room);
        if (take_text(piece, names, shape)) return -1;
    }
    reserve(room, (size_t)times, piece->kind == LITERAL ? (size_t)piece->literal.length : LONGEST_NUMBER);
    return 0;
}

static int take_all(Pieces *pieces, PyObject *items, const Shape *shape, int is_of_body, size_t *room) {
    Py_ssize_t count = PyTuple_Size(items);
    pieces->pieces = calloc((size_t)count + 1, sizeof(Piece));
    if (pieces->pieces == NULL) return PyErr_NoMemory(), -1;
    for (; pieces->count < count; pieces->count++)
        if (take(&pieces->pieces[pieces->count], PyTuple_GetItem(items, pieces->count), shape, is_of_body, room)) {
            pieces->count++; /* what it holds is let go of with the others */
            return -1;
        }
    return 0;
}

static void let_go(Pieces *pieces) {
    for (Py_ssize_t number = 0; number < pieces->count; number++) {
        Piece *piece = &pieces->pieces[number];
        free(piece->owned);
        if (piece->numbers.obj != NULL) PyBuffer_Release(&piece->numbers);
    }
    free(pieces->pieces);
}

static PyObject *written(const Pieces parts[3], Text between, const Shape *shape, const int64_t *counts, size_t room) {
    char *begin = room < PY_SSIZE_T_MAX - SLACK ? malloc(room + SLACK) : NULL, *end = begin;
    if (begin == NULL) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    end = put_rows(begin, parts, between, shape, counts);
    Py_END_ALLOW_THREADS
    PyObject *result = PyBytes_FromStringAndSize(begin, end - begin);
    free(begin);
    return result;
}

const char lines_doc[] =
    "lines(rows, k, counts, separator, powers, head, body, tail, between)\n--\n\n"
    "Write ranked rows as text: of each row the head, the body for each of its predictions, and the tail.\n\n"
    "counts: (rows,) int64, how many of the k predictions stand, or None: all. separator: of cells; 0 writes JSON.\n"
    "powers: those of ten, each as two words. head, body, tail: tuples of what stands there, one after another:\n"
    "bytes as they are; None, the rank; an array of int64, float32 or float64, (rows,) or in the body (rows, k); or\n"
    "texts, to be quoted where they must be: (texts,), a tuple or list of one a row or of but one, or (names, indices).\n"
    "A text may be None. between: bytes between two bodies. Returns bytes. Raises ValueError, TypeError or IndexError\n"
    "for other shapes, types and indices, UnicodeEncodeError for a lone surrogate.";

PyObject *lines(PyObject *module, PyObject *arguments) {
    PyObject *items[3], *result = NULL;
    Py_buffer counts = {0}, powers;
    Text between;
    Py_ssize_t rows, k;
    int separator;
    if (!PyArg_ParseTuple(arguments, "nnz*iy*O!O!O!y#", &rows, &k, &counts, &separator, &powers, &PyTuple_Type,
                          &items[0], &PyTuple_Type, &items[1], &PyTuple_Type, &items[2], &between.bytes,
                          &between.length))
        return NULL;
    Shape shape = {rows, k, (char)separator, powers.buf};
    Pieces parts[3] = {{0}};
    if (rows < 0 || k < 0 || rows > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(Text) / (k > 0 ? k : 1) - 1 || separator < 0 ||
        separator > 127 || powers.len != POWERS_OF_TEN * (Py_ssize_t)sizeof(Power) ||
        (counts.buf != NULL && (counts.len % 8 || counts.len / 8 != rows))) {
        PyErr_SetString(PyExc_ValueError, "expected fewer rows, a count of each, an ASCII separator and powers of ten");
    } else {
        size_t room = 0;
        int failed = 0;
        reserve(&room, (size_t)(rows * k), (size_t)between.length);
        for (int part = 0; part < 3 && !failed; part++)
            failed = take_all(&parts[part], items[part], &shape, part == 1, &room);
        if (!failed) result = written(parts, between, &shape, counts.buf, room);
    }
    for (int part = 0; part < 3; part++) let_go(&parts[part]);
    PyBuffer_Release(&powers);
    if (counts.buf != NULL) PyBuffer_Release(&counts);
    return result;
}
