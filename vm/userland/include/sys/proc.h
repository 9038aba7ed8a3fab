#ifndef _SYS_PROC_H_
#define _SYS_PROC_H_

#include <sys/types.h>

#endif
