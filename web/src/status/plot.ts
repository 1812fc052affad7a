// A plot that goes on as figures come; loaded with the view that has it.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Series {
  label: string;
  /** Name of a custom property. */
  colour: string;
  isFilled?: boolean;
}

export interface Plot {
  set(data: number[][]): void;
  resize(width: number): void;
  recolour(): void;
  close(): void;
}

const HEIGHT_PX = 120;
const clock = (seconds: number): string => new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour12: false });

export function createPlot(parent: HTMLElement, series: readonly Series[], unit: string, most: number | null): Plot {
  const make = (data: number[][]): uPlot => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      ...{ stroke: colour("--ink-3"), font: "10px system-ui", ticks: { show: false } },
      grid: { stroke: colour("--line"), width: 1 },
    };
    return new uPlot(
      {
        ...{
          width: Math.max(120, parent.clientWidth),
          height: HEIGHT_PX,
          legend: { show: false },
          padding: [8, 12, 0, 0],
        },
        cursor: { show: false },
        scales: { y: { range: (_, __, max) => [0, Math.max(most ?? 0, max * 1.15, 1)] } },
        axes: [
          { ...axis, size: 22, space: 90, values: (_, values) => values.map(clock) },
          { ...axis, size: 44, space: 28, values: (_, values) => values.map((value) => `${value}${unit}`) },
        ],
        series: [
          {},
          ...series.map(({ label, colour: name, isFilled }) => ({
            ...{ label, stroke: colour(name), width: 1.5, points: { show: false } },
            ...(isFilled && { fill: `color-mix(in srgb, ${colour(name)} 14%, transparent)` }),
          })),
        ],
      },
      data as uPlot.AlignedData,
      parent,
    );
  };
  let data: number[][] = [[], ...series.map(() => [])];
  let plot = make(data);
  return {
    set: (fresh) => {
      data = fresh;
      plot.setData(data as uPlot.AlignedData);
    },
    resize: (width) => plot.setSize({ width: Math.max(120, width), height: HEIGHT_PX }),
    recolour: () => {
      plot.destroy();
      plot = make(data);
    },
    close: () => plot.destroy(),
  };
}
