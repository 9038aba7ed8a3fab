#ifndef _CPU_SMP_H_
#define _CPU_SMP_H_

#include <sys/types.h>

#endif
