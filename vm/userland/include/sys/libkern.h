#ifndef _SYS_LIBKERN_H_
#define _SYS_LIBKERN_H_

#include <sys/types.h>

size_t	 strlen(const char *);
int	 strcmp(const char *, const char *);
int	 strncmp(const char *, const char *, size_t);
char	*strchr(const char *, int);
void	*memcpy(void *, const void *, size_t);
void	*memmove(void *, const void *, size_t);
void	*memset(void *, int, size_t);
int	 memcmp(const void *, const void *, size_t);
/* Not in every host C library. */
#define strlcpy	ul_strlcpy
size_t	 strlcpy(char *, const char *, size_t);

static __inline int imin(int a, int b) { return (a < b ? a : b); }
static __inline int imax(int a, int b) { return (a > b ? a : b); }

#endif
