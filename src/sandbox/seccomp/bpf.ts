// A small assembler for classic BPF as seccomp runs it: instructions with named jump targets to bytes. What a filter says is the
// caller's.

/** Offsets into the kernel's `struct seccomp_data`; both supported machines are little endian, so an argument's low half comes first. */
export const DATA = { number: 0, arch: 4, argument: (index: number) => 16 + index * 8 } as const;

export const VERDICT = {
  allow: 0x7fff0000,
  killProcess: 0x80000000,
  errno: (errno: number) => 0x00050000 | errno,
} as const;

const OP = {
  load: 0x20,
  and: 0x54,
  jumpEqual: 0x15,
  jumpGreater: 0x25,
  jumpAtLeast: 0x35,
  jumpAnySet: 0x45,
  ret: 0x06,
};

interface Instruction {
  readonly code: number;
  readonly operand: number;
  /** Label to go to when the test holds; otherwise the next instruction is next. */
  readonly target?: string;
}

const INSTRUCTION_BYTES = 8;
const MAX_JUMP = 255;
const MAX_INSTRUCTIONS = 4096;

export class BpfProgram {
  readonly #instructions: Instruction[] = [];
  readonly #labels = new Map<string, number>();

  load(offset: number): this {
    return this.#add({ code: OP.load, operand: offset });
  }

  and(mask: number): this {
    return this.#add({ code: OP.and, operand: mask });
  }

  ifEqual(value: number, target: string): this {
    return this.#add({ code: OP.jumpEqual, operand: value, target });
  }

  ifGreater(value: number, target: string): this {
    return this.#add({ code: OP.jumpGreater, operand: value, target });
  }

  ifAtLeast(value: number, target: string): this {
    return this.#add({ code: OP.jumpAtLeast, operand: value, target });
  }

  ifAnySet(mask: number, target: string): this {
    return this.#add({ code: OP.jumpAnySet, operand: mask, target });
  }

  ret(verdict: number): this {
    return this.#add({ code: OP.ret, operand: verdict });
  }

  label(name: string): this {
    if (this.#labels.has(name)) throw new RangeError(`the label ${name} stands twice`);
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  assemble(): Buffer {
    if (this.#instructions.length > MAX_INSTRUCTIONS) throw new RangeError("the filter is too long for the kernel");
    const bytes = Buffer.alloc(this.#instructions.length * INSTRUCTION_BYTES);
    for (const [index, { code, operand, target }] of this.#instructions.entries()) {
      const at = index * INSTRUCTION_BYTES;
      bytes.writeUInt16LE(code, at);
      bytes.writeUInt8(target === undefined ? 0 : this.#distance(index, target), at + 2);
      bytes.writeUInt32LE(operand >>> 0, at + 4);
    }
    return bytes;
  }

  #distance(from: number, target: string): number {
    const to = this.#labels.get(target);
    if (to === undefined) throw new RangeError(`there is no label ${target}`);
    const distance = to - from - 1;
    if (distance < 0 || distance > MAX_JUMP) throw new RangeError(`the jump to ${target} is ${distance} instructions`);
    return distance;
  }

  #add(instruction: Instruction): this {
    this.#instructions.push(instruction);
    return this;
  }
}
