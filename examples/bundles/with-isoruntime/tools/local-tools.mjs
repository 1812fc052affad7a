// Tools of this bundle. The function gets what it needs, so that a bundle in any folder installs nothing.

/** As `2026-03-01T10-20-30-123Z`: sorts by time, and no file system minds it. */
const timestamp = () => new Date().toISOString().replaceAll(":", "-").replace(".", "-");

export default ({ defineTool, z }) => [
  defineTool({
    name: "write_note",
    description: "Write a note to OUTPUT_DIR/notes/ and return where it is.",
    params: z.strictObject({ text: z.string().max(1_000_000).describe("The note") }),
    returns: z.object({ ok: z.boolean(), path: z.string(), filename: z.string(), bytes: z.number() }),
    async handler({ text }, { output, log }) {
      const stamp = timestamp();
      for (let copy = 1; ; copy += 1) {
        const filename = copy === 1 ? `${stamp}-note.txt` : `${stamp}-${copy}-note.txt`;
        const path = `notes/${filename}`;
        try {
          await output.write(path, text, { exclusive: true });
          log(`wrote ${path}`);
          return { ok: true, path, filename, bytes: Buffer.byteLength(text) };
        } catch (error) {
          // Two notes in one moment are two files.
          if (error.reason !== "exists" || copy >= 1000) throw error;
        }
      }
    },
  }),
];
