/*
 * From where a multiboot loader leaves off to where DragonFly's boot loader
 * hands over to its kernel: 64-bit mode under the page tables given, the
 * memory map in the preload metadata, and on the stack, 4 and 8 bytes up, the
 * metadata's address and that of the first free page.
 *
 * It runs at BASE and has no relocations.  Offsets within it are those of
 * multiboot 0.6.96, 3.1.1 (the header) and 3.3 (the machine's state).
 */

#define	AT(label)	(BASE + (label - start))

#define	MAGIC		0x1badb002
#define	FLAGS		0x00010003	/* pages, memory map, addresses here */
#define	MAP_LENGTH	44		/* in the multiboot information */
#define	MAP_ADDRESS	48
#define	MAP_ENTRY	20		/* bytes: base, length, type */

#define	CR0_PG_PE	0x80000001
#define	CR4_PGE_PAE	0x000000a0
#define	EFER		0xc0000080
#define	EFER_LME	0x00000100

	.text
	.code32
start:
	.long	MAGIC, FLAGS, -(MAGIC + FLAGS)
	.long	BASE, BASE, 0, 0, AT(go)

/* Filled in by direct_boot.py, in this order. */
entry:	.quad	0		/* of the kernel */
tables:	.long	0		/* the level 4 page table */
stack:	.long	0
map:	.long	0		/* the data of the memory map's record */
mapend:	.long	0		/* what it has room for */

go:
	cli
	cld
	movl	MAP_ADDRESS(%ebx), %esi
	movl	MAP_LENGTH(%ebx), %ebp
	addl	%esi, %ebp
	movl	AT(map), %edi
1:
	cmpl	%ebp, %esi
	jae	2f
	cmpl	AT(mapend), %edi
	jae	2f
	lodsl				/* how far it is to the next entry */
	addl	%esi, %eax
	movl	$(MAP_ENTRY / 4), %ecx
	rep movsl
	movl	%eax, %esi
	jmp	1b
2:
	movl	AT(map), %esi
	subl	%esi, %edi
	movl	%edi, -4(%esi)		/* the record's length */

	movl	%cr4, %eax
	orl	$CR4_PGE_PAE, %eax
	movl	%eax, %cr4
	movl	AT(tables), %eax
	movl	%eax, %cr3
	movl	$EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$CR0_PG_PE, %eax
	movl	%eax, %cr0
	lgdtl	AT(gdtr)
	ljmpl	$8, $AT(long)

	.code64
long:
	movl	$16, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	stack(%rip), %esp
	jmpq	*entry(%rip)

	.balign	8
gdt:	.quad	0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdtr:	.word	23
	.long	AT(gdt)
