// Which names say that their value is a secret: of environment variables, of parameters, of keys in JSON.

const SECRET =
  /token(?!i[sz])|secret(?!ar)|passwd|password|passphrase|api[-_ ]?key|access[-_ ]?key|credential|authorization|cookie|private[-_ ]?key|signing[-_ ]?key|encryption[-_ ]?key|connection[-_ ]?string|(^|_)(dsn|pwd|pass)$/i;
/** The folder a shell is in. */
const NO_SECRET = /^(OLD)?PWD$/;
/** What counts the tokens of a language model is no token. */
const COUNT = /tokens$|tokens?[-_ ]?(count|limit|usage|budget)/i;

export class SecretNames {
  readonly #more: ReadonlySet<string>;

  /** `more` are names the operator added, in any case. */
  constructor(more: readonly string[] = []) {
    this.#more = new Set(more.map((name) => name.toLowerCase()));
  }

  has(name: string): boolean {
    return (SECRET.test(name) && !NO_SECRET.test(name)) || (this.#more.size > 0 && this.#more.has(name.toLowerCase()));
  }

  /** Whether a number under that name is kept: it counts something. */
  isCount(name: string): boolean {
    return COUNT.test(name) && !this.#more.has(name.toLowerCase());
  }
}
