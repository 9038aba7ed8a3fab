#ifndef _STANDIN_SYSTM_H_
#define _STANDIN_SYSTM_H_

#include <sys/userland_systm.h>

int	ksetenv(const char *, const char *);
int	kunsetenv(const char *);

#endif
