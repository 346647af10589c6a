/* Includes TEMPLATE once for each type of number, with REAL, NAME, and INDEX, an integer as wide, defined. */

#define REAL float
#define NAME(name) name##_float
#define INDEX int32_t
#include TEMPLATE
#undef REAL
#undef NAME
#undef INDEX

#define REAL double
#define NAME(name) name##_double
#define INDEX int64_t
#include TEMPLATE
#undef REAL
#undef NAME
#undef INDEX
#undef TEMPLATE
