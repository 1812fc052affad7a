// The page's few pictograms, drawn by lines in the colour of the text beside them. They say nothing to a screen reader: words do.

const PATHS = {
  ok: "M3.5 8.5l3 3 6-7",
  bad: "M4.5 4.5l7 7m0-7l-7 7",
  clock: "M8 4.5V8l2.5 1.5M8 14A6 6 0 108 2a6 6 0 000 12z",
  stop: "M5 5h6v6H5z",
  ban: "M8 14A6 6 0 108 2a6 6 0 000 12zM4 12l8-8",
  warn: "M8 6v3.5m0 2v.1M8 2.5L14.5 13.5h-13z",
  play: "M5 3.5v9l7.5-4.5z",
  tool: "M9.5 6.5l-6 6m9.7-7.4a3.2 3.2 0 01-4.3-4.3L7 2.7a3 3 0 00.3 4.2 3 3 0 004.2.3zM3.5 12.5l-1 1",
  plus: "M8 3.5v9m-4.5-4.5h9",
  minus: "M3.5 8h9",
  edit: "M3 13h2.5L13 5.5 10.5 3 3 10.5zM9 4.5L11.5 7",
  file: "M4 2h5l3.5 3.5V14H4zM9 2v3.5h3.5",
  folder: "M2 4h4.5L8 5.5h6V13H2z",
  skip: "M3 8h10M9.5 4.5L13 8l-3.5 3.5",
  down: "M8 2.5v8m-3.5-3L8 11l3.5-3.5M3 13.5h10",
  up: "M8 11V3m-3.5 3L8 2.5 11.5 6M3 13.5h10",
  undo: "M6 3L2.5 6.5 6 10m-3-3.5h6.5a3.5 3.5 0 010 7H7",
  search: "M7 12A5 5 0 107 2a5 5 0 000 10zm3.6-1.4L14 14",
  chevron: "M6 4l4 4-4 4",
  close: "M4 4l8 8m0-8l-8 8",
  user: "M8 8a2.8 2.8 0 100-5.6A2.8 2.8 0 008 8zm-5.5 6c.6-2.8 2.8-4 5.5-4s4.9 1.2 5.5 4",
  history: "M2.5 8A5.5 5.5 0 108 2.5 5.5 5.5 0 003.4 5M3 2.5V5.3h2.8M8 5v3l2 1.5",
  pulse: "M1.5 8.5h3l2-5 3 9 2-4h3",
  compare: "M8 2v12M5.5 5H2v6h3.5M10.5 5H14v6h-3.5",
  link: "M6.5 9.5l3-3M7 4.5l1-1a3.2 3.2 0 014.5 4.5l-1 1M9 11.5l-1 1A3.2 3.2 0 013.5 8l1-1",
  shield: "M8 2l5 2v4c0 3-2 5-5 6.2C5 13 3 11 3 8V4z",
  receipt: "M4 2h8v12l-2-1.3L8 14l-2-1.3L4 14zM6 5.5h4M6 8h4",
  trash: "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.5 9h6l.5-9",
  info: "M8 14A6 6 0 108 2a6 6 0 000 12zM8 7.5v3.5M8 5v.1",
  dot: "M8 9.5a1.5 1.5 0 100-3 1.5 1.5 0 000 3z",
  key: "M5.5 8.5a3 3 0 113-3 3 3 0 01-3 3zm2.2-.8L13.5 13.5m-3.2-3.2l1.5-1.5",
  wrap: "M2.5 4h11M2.5 8h9a2 2 0 010 4H8m2-1.8L8 12l2 1.8M2.5 12H5",
  follow: "M8 2.5v8m-3.5-3L8 11l3.5-3.5M4 13.5h8",
  refresh: "M13 8a5 5 0 11-1.6-3.7M13 2.5v3h-3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
