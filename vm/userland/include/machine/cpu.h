#ifndef _CPU_CPU_H_
#define _CPU_CPU_H_

#include <machine/cpufunc.h>

#endif
