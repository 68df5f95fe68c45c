"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  if (!figures.length) return;
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const hidden = new Map();
  const colour = (token) => getComputedStyle(root).getPropertyValue(`--${token}`).trim();

  // Only values under a key that ends in "color" are colour names; a track may be called "@c0".
  function coloured(value, key = "") {
    if (Array.isArray(value)) return value.map((item) => coloured(item));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, k)]));
    }
    return key.endsWith("color") && String(value).startsWith("@") ? colour(value.slice(1)) : value;
  }

  function axis(given) {
    const { title, ...rest } = given;
    return {
      title: title ? { text: title, standoff: 10, font: { size: 13, color: colour("soft") } } : undefined,
      gridcolor: colour("grid"), zeroline: false, showline: true, linecolor: colour("line"),
      ticks: "", tickfont: { size: 12, color: colour("soft") }, automargin: true, ...rest,
    };
  }

  function layout(figure) {
    return {
      autosize: true,
      margin: { l: 56, r: 14, t: 12, b: 48 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: colour("font"), size: 13, color: colour("ink") },
      hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") }, namelength: 32 },
      showlegend: Boolean(figure.legend),
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 13 }, bgcolor: "rgba(0,0,0,0)" },
      xaxis: axis(figure.x), yaxis: axis(figure.y),
    };
  }

  const config = { responsive: true, displayModeBar: false };

  function draw(figure, extra = {}) {
    const place = document.getElementById(figure.id);
    const off = hidden.get(place.closest("section")) || new Set();
    const traces = coloured(figure.traces).map((trace) => ({ ...trace, visible: !off.has(trace.meta) }));
    return Plotly.react(place, traces, { ...layout(figure), ...extra }, config);
  }
  const drawAll = (sized) => figures.forEach((figure) => draw(figure, sized ? sized(figure) : {}));

  document.querySelectorAll(".legend button").forEach((button) => {
    button.addEventListener("click", () => {
      const section = button.closest("section");
      const off = hidden.get(section) || new Set();
      const index = Number(button.dataset.index);
      off.has(index) ? off.delete(index) : off.add(index);
      hidden.set(section, off);
      button.setAttribute("aria-pressed", String(!off.has(index)));
      figures.filter((f) => section.contains(document.getElementById(f.id))).forEach((f) => draw(f));
    });
  });

  document.querySelectorAll("button[data-save]").forEach((button) => {
    button.addEventListener("click", () => {
      const place = document.getElementById(button.dataset.save);
      const size = { width: place.clientWidth, height: place.clientHeight };
      Plotly.downloadImage(place, { format: "svg", filename: button.dataset.save, ...size });
    });
  });

  dark.addEventListener("change", () => drawAll());
  addEventListener("beforeprint", () => {
    root.dataset.scheme = "light";
    drawAll((figure) => ({
      autosize: false, width: 305,
      height: document.getElementById(figure.id).classList.contains("square") ? 275 : 225,
    }));
  });
  addEventListener("afterprint", () => {
    delete root.dataset.scheme;
    drawAll();
  });
  drawAll();
})();
