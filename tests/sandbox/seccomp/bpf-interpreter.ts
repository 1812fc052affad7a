// Runs a seccomp filter as the kernel would, for one system call of any machine. It knows the instructions the assembler makes,
// and refuses any other rather than guess.

export interface SystemCall {
  arch: number;
  number: number;
  args?: readonly bigint[];
}

const INSTRUCTION_BYTES = 8;
const DATA_BYTES = 64;

/** The 32-bit verdict, as SECCOMP_RET_* with its data. */
export function judge(filter: Buffer, call: SystemCall): number {
  if (filter.length === 0 || filter.length % INSTRUCTION_BYTES !== 0) throw new Error("the filter is no whole program");
  const data = seccompData(call);
  let accumulator = 0;
  for (let at = 0; at < filter.length / INSTRUCTION_BYTES; at++) {
    const offset = at * INSTRUCTION_BYTES;
    const code = filter.readUInt16LE(offset);
    const [ifTrue, ifFalse] = [filter.readUInt8(offset + 2), filter.readUInt8(offset + 3)];
    const operand = filter.readUInt32LE(offset + 4);
    const jump = (holds: boolean) => {
      at += holds ? ifTrue : ifFalse;
    };
    if (code === 0x20) accumulator = data.readUInt32LE(operand);
    else if (code === 0x54) accumulator = (accumulator & operand) >>> 0;
    else if (code === 0x15) jump(accumulator === operand);
    else if (code === 0x25) jump(accumulator > operand);
    else if (code === 0x35) jump(accumulator >= operand);
    else if (code === 0x45) jump((accumulator & operand) !== 0);
    else if (code === 0x06) return operand;
    else throw new Error(`instruction ${at} has the unknown code 0x${code.toString(16)}`);
  }
  throw new Error("the filter ends without a verdict, which the kernel does not load");
}

function seccompData({ arch, number, args = [] }: SystemCall): Buffer {
  const data = Buffer.alloc(DATA_BYTES);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(arch, 4);
  for (const [index, value] of args.entries()) data.writeBigUInt64LE(value, 16 + index * 8);
  return data;
}
