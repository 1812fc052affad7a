// A machine of its own under QEMU, emulated: booted from the cached image, thrown away at the end. Commands reach it through a shared
// folder, so it needs no network; this repository is in it at /project, read-only, the tests' cache at /cache.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { testCache } from "../support/cache.js";
import { provideImage } from "./image.js";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const BOOT_TIMEOUT_MS = 300_000;
/** Beyond a command's own time, which the guest ends it at: a guest that stands still is told of soon. */
const ANSWER_SLACK_MS = 60_000;
const POLL_MS = 50;
const TAIL = 3_000;
const KERNEL_OPTIONS =
  "root=/dev/vda rw console=ttyS0 quiet panic=-1 apparmor=1 security=apparmor systemd.unified_cgroup_hierarchy=1 systemd.show_status=0";

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** "tester" is an ordinary user who is logged in. */
  readonly user?: "root" | "tester";
  readonly timeoutS?: number;
}

export class Guest {
  readonly #qemu: ChildProcess;
  readonly #state: string;
  #jobs = 0;

  private constructor(qemu: ChildProcess, state: string) {
    this.#qemu = qemu;
    this.#state = state;
  }

  static async boot(): Promise<Guest> {
    const image = provideImage();
    const state = mkdtempSync(join(tmpdir(), "iso-guest-"));
    mkdirSync(join(state, "jobs"), { mode: 0o700 });
    const guest = new Guest(startQemu(image, state), state);
    try {
      await guest.#wait(join(state, "jobs/ready"), BOOT_TIMEOUT_MS);
    } catch (error) {
      await guest.stop();
      throw error;
    }
    return guest;
  }

  /** Runs one command line of bash to its end. */
  async run(command: string, { user = "root", timeoutS = 150 }: CommandOptions = {}): Promise<Outcome> {
    this.#jobs += 1;
    const at = join(this.#state, "jobs", String(this.#jobs));
    const cwd = user === "root" ? "/root" : `/home/${user}`;
    writeFileSync(`${at}.new`, JSON.stringify({ command, user, timeoutS, cwd }));
    renameSync(`${at}.new`, `${at}.job`);
    await this.#wait(`${at}.end`, timeoutS * 1000 + ANSWER_SLACK_MS);
    const text = (kind: string) => readFileSync(`${at}.${kind}`, "utf8");
    return { status: Number(text("end")), stdout: text("out"), stderr: text("err") };
  }

  async stop(): Promise<void> {
    if (this.#qemu.exitCode === null && this.#qemu.signalCode === null) {
      const ended = new Promise((resolve) => this.#qemu.once("exit", resolve));
      this.#qemu.kill("SIGKILL");
      await ended;
    }
    rmSync(this.#state, { recursive: true, force: true });
  }

  async #wait(file: string, timeoutMs: number): Promise<void> {
    const until = Date.now() + timeoutMs;
    while (!existsSync(file)) {
      const ended = this.#qemu.exitCode !== null || this.#qemu.signalCode !== null;
      if (ended || Date.now() > until) {
        const said = ["qemu.log", "console.log"].map((name) => readTail(join(this.#state, name))).join("\n");
        throw new Error(`${ended ? "the guest ended" : `the guest did not answer in ${timeoutMs / 1000} s`}\n${said}`);
      }
      await sleep(POLL_MS);
    }
  }
}

/** What is written to the disk goes to a temporary file of QEMU's: each boot finds the image as it was made. */
function startQemu(image: string, state: string): ChildProcess {
  const share = (tag: string, path: string, more = "") => [
    ...["-fsdev", `local,id=${tag},path=${path},security_model=none,multidevs=remap${more}`],
    ...["-device", `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ];
  const args = [
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    // A smaller machine has only a clock that a busy host keeps the kernel from measuring, and then hangs at boot.
    ...["-M", "q35", "-accel", "tcg,thread=multi,tb-size=512"],
    ...["-cpu", "max", "-smp", "2", "-m", "2G", "-serial", `file:${join(state, "console.log")}`],
    ...["-device", "virtio-rng-pci"],
    ...["-drive", `id=root,if=none,format=raw,file=${join(image, "disk.img")},snapshot=on,cache=unsafe`],
    ...["-device", "virtio-blk-pci,drive=root"],
    ...share("project", PROJECT, ",readonly=on"),
    ...share("cache", testCache(), ",readonly=on"),
    ...share("jobs", join(state, "jobs")),
    ...["-kernel", join(image, "vmlinuz"), "-initrd", join(image, "initrd"), "-append", KERNEL_OPTIONS],
  ];
  const log = join(state, "qemu.log");
  // Tests that are killed take it along.
  const shell = `exec setpriv --pdeathsig KILL qemu-system-x86_64 "$@" >"${log}" 2>&1`;
  return spawn("sh", ["-c", shell, "sh", ...args], { stdio: "ignore", env: { ...process.env, TMPDIR: state } });
}

function readTail(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8").slice(-TAIL) : "";
}
