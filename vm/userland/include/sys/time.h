#ifndef _SYS_TIME_H_
#define _SYS_TIME_H_

#include <sys/types.h>

struct timeval {
	time_t		tv_sec;
	suseconds_t	tv_usec;
};

struct timespec {
	time_t		tv_sec;
	long		tv_nsec;
};

#ifdef _KERNEL
time_t	ul_uptime(void);

#define time_uptime	ul_uptime()

void	microuptime(struct timeval *);
void	getmicrouptime(struct timeval *);
void	nanouptime(struct timespec *);
void	getnanouptime(struct timespec *);
void	microtime(struct timeval *);
void	getmicrotime(struct timeval *);
void	nanotime(struct timespec *);
void	getnanotime(struct timespec *);
#endif

#endif
