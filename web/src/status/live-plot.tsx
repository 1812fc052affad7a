// A plot of the newest figures, with its last value in words beside it.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Plot, Series } from "./plot.js";
import { type Sample, samples } from "./poll.js";

export interface Drawn extends Series {
  of: (sample: Sample) => number;
}

interface PlotOptions {
  title: string;
  unit?: string;
  most?: number;
  series: readonly Drawn[];
}

export function LivePlot({ title, unit = "", most, series }: PlotOptions) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useSignal<Plot | null>(null);
  const { value: all } = samples;
  useEffect(() => {
    let isGone = false;
    let stop = () => {};
    void import("./plot.js").then(({ createPlot }) => {
      const { current } = place;
      if (isGone || current === null) return;
      const made = createPlot(current, series, unit, most ?? null);
      const observer = new ResizeObserver(() => made.resize(current.clientWidth));
      observer.observe(current);
      const dark = matchMedia("(prefers-color-scheme: dark)");
      const recolour = () => made.recolour();
      dark.addEventListener("change", recolour);
      stop = () => {
        observer.disconnect();
        dark.removeEventListener("change", recolour);
        made.close();
      };
      plot.value = made;
    });
    return () => {
      isGone = true;
      stop();
    };
  }, []);
  useEffect(() => {
    plot.value?.set([all.map(({ at }) => at), ...series.map(({ of }) => all.map(of))]);
  }, [all, plot.value]);
  const last = all.at(-1);
  const say = (value: number) =>
    `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)}${unit}`;
  return (
    <figure class="plot">
      <figcaption>
        <h3>{title}</h3>
        {series.map(({ label, colour, of }) => (
          <span key={label} class="plot-key">
            <span class="plot-swatch" style={{ backgroundColor: `var(${colour})` }} aria-hidden="true" />
            {label} <b>{last === undefined ? "–" : say(of(last))}</b>
          </span>
        ))}
      </figcaption>
      <div ref={place} class="plot-place" aria-hidden="true" />
    </figure>
  );
}
