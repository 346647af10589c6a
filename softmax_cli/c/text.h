/* Numbers in text, correctly rounded: `table` and `arrays` of the module. */

#ifndef SOFTMAX_TEXT_H
#define SOFTMAX_TEXT_H

#include <Python.h>

extern const char table_doc[], arrays_doc[];
PyObject *table(PyObject *module, PyObject *arguments);
PyObject *arrays(PyObject *module, PyObject *arguments);

#endif
