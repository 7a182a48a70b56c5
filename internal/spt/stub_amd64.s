#include "textflag.h"

// The stub runs as the first and only code of this project inside the
// unikernel's process: it has no stack frame of Go's, no runtime, and jumps only
// relative to itself, so that its bytes work wherever they are copied. What it
// does is drawn in doc.go; the offsets are those of script.go.

#define SCRIPT $0x200000001000

// func stub()
TEXT ·stub(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ SCRIPT, BX
	LEAQ 48(BX), R12  // the step
	XORL R13, R13     // its number

step:
	MOVQ 0(R12), AX
	CMPQ AX, $-1
	JEQ  launch
	MOVQ 8(R12), DI
	MOVQ 16(R12), SI
	MOVQ 24(R12), DX
	MOVQ 32(R12), R10
	MOVQ 40(R12), R8
	MOVQ 48(R12), R9
	SYSCALL
	CMPQ AX, $-4095
	JCC  failed       // unsigned: -4095 … -1 is an error number
	MOVQ 56(R12), CX
	TESTQ CX, CX
	JEQ  next
	CMPQ AX, CX
	JEQ  next
	MOVQ $-5, AX      // fewer bytes than asked for: EIO

failed:
	NEGQ AX
	SHLQ $32, AX
	ORQ  R13, AX      // little endian: u32 step, u32 errno
	MOVQ AX, -16(SP)
	MOVL $1, AX       // write(status, record, 8)
	MOVQ 0(BX), DI
	LEAQ -16(SP), SI
	MOVL $8, DX
	SYSCALL
	MOVL $1, AX       // write(messages, text, len)
	MOVQ 8(BX), DI
	MOVQ 64(R12), SI
	MOVQ 72(R12), DX
	SYSCALL
	CMPQ 8(BX), $0
	JLT  trap
	MOVL $231, AX     // exit_group(1)
	MOVL $1, DI
	SYSCALL

trap:
	UD2               // a parent watches: die in a way no guest's exit status looks like

next:
	ADDQ $80, R12
	INCQ R13
	JMP  step

launch:
	MOVQ 16(BX), SP
	MOVQ 24(BX), DI
	MOVQ 32(BX), AX
	XORL BX, BX
	XORL CX, CX
	XORL DX, DX
	XORL SI, SI
	XORL BP, BP
	XORL R8, R8
	XORL R9, R9
	XORL R10, R10
	XORL R11, R11
	XORL R12, R12
	XORL R13, R13
	XORL R14, R14
	XORL R15, R15
	JMP  AX
	QUAD $0x4254534c41544f54 // stubEnd

// func stubAddress() unsafe.Pointer
TEXT ·stubAddress(SB), NOSPLIT, $0-8
	LEAQ ·stub(SB), AX
	MOVQ AX, ret+0(FP)
	RET
