#ifndef _CPU_THREAD_H_
#define _CPU_THREAD_H_

#include <sys/types.h>

#endif
