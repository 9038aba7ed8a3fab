#ifndef _CPU_CLOCK_H_
#define _CPU_CLOCK_H_

#include <sys/types.h>

#endif
