/* What Python sees: the types that _anchors.c makes known. Limited API: one wheel serves Python 3.11 and later. */
#ifndef HAECHI_TYPES_H
#define HAECHI_TYPES_H
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

extern PyType_Spec winnower_spec, table_spec;
#endif
