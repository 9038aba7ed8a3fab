# A module of one file, as DragonFly's bsd.kmod.mk is used: KMOD=, SRCS=, COPTS+=.
SYSDIR?=	/usr/src/sys

.if !exists(${SYSDIR}/conf/kmod.mk)
.error "can't find kernel source tree"
.endif

.include "${SYSDIR}/conf/kmod.mk"

all: ${KMOD}.ko

${KMOD}.ko: ${SRCS}
	cc ${CFLAGS} -c -o ${KMOD}.o ${SRCS}
	ld -r -d -o ${KMOD}.ko ${KMOD}.o
