/* What rows of logits say beside their targets, in one pass over memory: see `softmax_cli/compiled.py`.

   Everything here has its counterpart in numpy, in `softmax_cli/judge/kernel.py`, and is tested against it. */

#define PY_SSIZE_T_CLEAN
#include "judge.h"
#include "terms.h"
#include "variants.h"

#define STEP 64      /* logits that are compared at once */
#define STRETCH 4096 /* classes that are added up for themselves: each sum rounds little */
#define MARGIN 1e-5  /* relative, of a logit: more than rounding to float32 takes */

/* Where rows, their targets and what is found are; see `judge_doc`. values: room for a row's terms. */
typedef struct {
    int64_t rows, classes;
    const int64_t *target;
    double scale, first_edge;
    int64_t *predicted, *place;
    double *scores, *mass, *values;
    int64_t *peaks;
    double *peak_values;
    int64_t most_peaks;
} Judgement;

#define TEMPLATE "judge_rows.h"
#include "types.h"

typedef struct {
    int64_t (*judge_float)(Judgement, const float *);
    int64_t (*judge_double)(Judgement, const double *);
} Variant;

#define VARIANT(name, target)                                                                                         \
    target static int64_t judge_float_##name(Judgement to, const float *row) { return judge_float(to, row); }         \
    target static int64_t judge_double_##name(Judgement to, const double *row) { return judge_double(to, row); }
#define VARIANT_OF(name) {judge_float_##name, judge_double_##name}

EACH_VARIANT(VARIANT)

static const Variant variants[] = {EACH_VARIANT_OF(VARIANT_OF)};

const char judge_doc[] =
    "judge(logits, is_single, target, scale, first_edge, predicted, place, scores, mass, peaks, peak_values, variant=-1)"
    "\n--\n\n"
    "Judge rows of logits by their targets.\n\n"
    "logits: (rows, classes), float32 if is_single, else float64. target: (rows,) int64. scale: 1 / temperature; 1\n"
    "for float64. Written are: predicted and place, (rows,) int64, the class of the largest logit, and how many stand\n"
    "before the target; scores, (rows, 3) float64, the probability of the predicted class, the cross-entropy, and the\n"
    "Brier score; mass, (classes,) float64, to which each row's probabilities are added; of each probability above\n"
    "first_edge its class and row, peaks, (n, 2) int64, and its value, peak_values, (n,) float64. All are contiguous.\n"
    "Returns how many of those there are, or -1 where it leaves the rows to the caller: with NaN, +inf, nothing but\n"
    "-inf, targets that aren't classes, or more peaks than there's room for. Raises ValueError for shapes that don't\n"
    "fit.";

/* Whether the buffers are as long as rows and classes want them. */
static int fits(const Py_buffer *logits, size_t size, Judgement to, const Py_buffer *found) {
    Py_ssize_t rows = to.rows;
    return rows >= 0 && to.classes > 0 && logits->len / (Py_ssize_t)size / to.classes == rows &&
           logits->len % (to.classes * (Py_ssize_t)size) == 0 && found[0].len == rows * 8 && found[1].len == rows * 8 &&
           found[2].len == rows * 24;
}

PyObject *judge(PyObject *module, PyObject *arguments) {
    Py_buffer logits, target, found[6];
    int is_single, variant = -1, usable = usable_variants();
    Judgement to;
    if (!PyArg_ParseTuple(arguments, "y*py*ddw*w*w*w*w*w*|i", &logits, &is_single, &target, &to.scale, &to.first_edge,
                          &found[0], &found[1], &found[2], &found[3], &found[4], &found[5], &variant))
        return NULL;
    to.rows = target.len / 8, to.classes = found[3].len / 8, to.target = target.buf;
    to.predicted = found[0].buf, to.place = found[1].buf, to.scores = found[2].buf, to.mass = found[3].buf;
    to.peaks = found[4].buf, to.peak_values = found[5].buf;
    to.most_peaks = found[4].len / 16 < found[5].len / 8 ? found[4].len / 16 : found[5].len / 8;
    int64_t peaks = -1;
    int is_fit = variant < usable && fits(&logits, is_single ? sizeof(float) : sizeof(double), to, found);
    to.values = is_fit ? PyMem_Malloc((size_t)to.classes * sizeof(double)) : NULL;
    if (to.values != NULL) {
        const Variant *used = &variants[variant < 0 ? usable - 1 : variant];
        Py_BEGIN_ALLOW_THREADS
        peaks = is_single ? used->judge_float(to, logits.buf) : used->judge_double(to, logits.buf);
        Py_END_ALLOW_THREADS
        PyMem_Free(to.values);
    }
    for (int held = 0; held < 6; held++) PyBuffer_Release(&found[held]);
    PyBuffer_Release(&target);
    PyBuffer_Release(&logits);
    if (to.values != NULL) return PyLong_FromLongLong(peaks);
    if (is_fit) return PyErr_NoMemory();
    PyErr_SetString(PyExc_ValueError, "arrays that don't fit each other, or no such variant");
    return NULL;
}
