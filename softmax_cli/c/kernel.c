/* The top classes of rows and their softmax probabilities, in one pass over memory: see `softmax_cli/compiled.py`.

   Everything here has its counterpart in numpy, in `softmax_cli/ranking.py`, and is tested against it. */

#define PY_SSIZE_T_CLEAN
#include "judge.h"
#include "lines.h"
#include "terms.h"
#include "text.h"
#include "variants.h"

#include <limits.h>

#define LANES 64        /* of the search for a threshold: more make it sharper, and cost more registers */
#define FEW 8           /* up to so many classes a quarter of the lanes is enough */
#define ROWS 16         /* that are worked at once where classes are few: no more than LANES */
#define MOST_TOP 32     /* classes that are selected here */
#define STEP 32         /* logits that are compared at once: as many as there are bits in a word */
#define CANDIDATES 64   /* more, of which many must be equal, are taken one after another */
#define STRETCH 4096    /* terms that are added one after another */

INLINE double total_float(const float *row, int64_t classes, Terms terms) {
    double total = 0.0;
    VECTOR_SUM(total)
    for (int64_t index = 0; index < classes; index++) total += summand_float(terms, row[index]);
    return total;
}

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

#define TEMPLATE "rows.h"
#include "types.h"
#define TEMPLATE "few.h"
#include "types.h"

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

EACH_VARIANT(VARIANT)

static const Variant variants[] = {EACH_VARIANT_OF(VARIANT_OF)};

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
    {"judge", judge, METH_VARARGS, judge_doc},
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
    .m_doc = "Rows of logits ranked and judged, and numbers to and from text.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&definition); }
