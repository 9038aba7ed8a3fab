#ifndef _SYS_LOCK_H_
#define _SYS_LOCK_H_

#include <sys/types.h>

#endif
