/* Rows of logits beside their targets: `judge` of the module. */

#ifndef SOFTMAX_JUDGE_H
#define SOFTMAX_JUDGE_H

#include <Python.h>

extern const char judge_doc[];
PyObject *judge(PyObject *module, PyObject *arguments);

#endif
