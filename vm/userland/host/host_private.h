#ifndef _HOST_PRIVATE_H_
#define _HOST_PRIVATE_H_

/* What the host half's files know of each other. */

#define EXIT_PANICKED	3	/* the status of a process that panicked */

void	console_setup(int control, const char *vmcore);
int	module_image(const char *path);	/* writes it; 0, or -1 and errno */
void	traps_setup(void);
void	end(int status) __attribute__((noreturn));

#endif
