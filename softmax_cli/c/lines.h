/* Results as lines of text: `lines` of the module. */

#ifndef SOFTMAX_LINES_H
#define SOFTMAX_LINES_H

#include <Python.h>

extern const char lines_doc[];
PyObject *lines(PyObject *module, PyObject *arguments);

#endif
