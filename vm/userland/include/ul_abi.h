#ifndef _UL_ABI_H_
#define _UL_ABI_H_

/*
 * All that the two halves of the machine know of each other.  The kernel half
 * (kern/) is compiled against the headers in this directory alone, the host
 * half (host/) against the host's alone; only types of the language itself
 * appear here.  ul_host_* is what the host gives, ul_kern_* what it may call.
 */

struct ul_sem;

/* A counting semaphore for pthreads; a negative timeout waits for ever. */
struct ul_sem	*ul_host_sem_new(void);
void		 ul_host_sem_free(struct ul_sem *);
void		 ul_host_sem_post(struct ul_sem *);
void		 ul_host_sem_wait(struct ul_sem *, long long timeout_ns);

/* A detached pthread; it ends when func returns.  0, or an errno value. */
int		 ul_host_thread(void (*func)(void *), void *arg);
void		 ul_host_thread_exit(void) __attribute__((noreturn));
void		 ul_host_yield(void);		/* let another pthread run */

void		*ul_host_alloc(unsigned long size);	/* zeroed, or NULL */
void		 ul_host_free(void *);

unsigned long long ul_host_nanotime(void);	/* monotonic */
unsigned long long ul_host_walltime(void);	/* since the epoch, ns */

void		 ul_host_console(const char *text, unsigned long length);
void		 ul_host_backtrace(void);	/* if it can */

/* What became of a command; exactly one reply answers each. */
void		 ul_host_reply(const char *word, const char *text);

/* The end: a memory image, the reply "panicked", and the process is gone. */
void		 ul_host_panicked(const char *text) __attribute__((noreturn));

/* Loadable modules. */
enum ul_load { UL_LOADED, UL_NO_FILE, UL_UNDEFINED, UL_NOT_A_MODULE };

struct ul_file {
	void		*handle;
	const void	*module;	/* its struct ul_module */
	char		 text[256];	/* the undefined symbol, or why not */
};

enum ul_load	 ul_host_open(const char *path, struct ul_file *);
void		 ul_host_close(struct ul_file *);

/* Called by the host's main pthread, which is no thread of the kernel. */
void		 ul_kern_boot(int cpus, int spin);
int		 ul_kern_setenv(const char *name, const char *value);
void		 ul_kern_kldload(const char *path);	/* replies later */
void		 ul_kern_kldunload(const char *name);	/* replies later */

/* Called from a signal handler: a trap that the running module caused. */
void		 ul_kern_trap(int number, const char *what,
		    const void *address);

#endif
