#ifndef _STANDIN_SYSCTL_H_
#define _STANDIN_SYSCTL_H_

#include <sys/types.h>

extern char	version[];

/* Integers only. */
int	kernel_sysctlbyname(char *, void *, size_t *, void *, size_t, size_t *);

#endif
