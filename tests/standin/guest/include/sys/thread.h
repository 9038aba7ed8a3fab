#ifndef _STANDIN_THREAD_H_
#define _STANDIN_THREAD_H_

/* A module's code is position-dependent, as a kernel's: no ELF TLS in it. */
#include <sys/userland_thread.h>

struct thread	*standin_curthread(void);

#undef curthread
#define curthread	standin_curthread()

#endif
