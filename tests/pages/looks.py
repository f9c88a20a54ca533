"""Whether a page can be read: asked of the browser that shows it."""

from __future__ import annotations

from tools.browser import Browser

_OVERFLOWING = """
const wide = document.documentElement.clientWidth;
function scrolls(node) {
  for (let up = node.parentElement; up; up = up.parentElement)
    if (up !== document.body && up !== document.documentElement && getComputedStyle(up).overflowX !== "visible")
      return true;
  return false;
}
return [...document.body.querySelectorAll("*")]
  .filter(node => node.getClientRects().length && node.getBoundingClientRect().right > wide + 1 && !scrolls(node))
  .map(node => `${node.tagName} ${node.className.baseVal ?? node.className} ${node.textContent.slice(0, 40)}`);
"""

_TOO_FAINT = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
function rgba(color) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = "#000"; canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
function light([r, g, b]) {
  const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
function ground(node) {
  const layers = [];
  for (let up = node; up; up = up.parentElement) layers.push(rgba(getComputedStyle(up).backgroundColor));
  const page = document.createElement("div");
  page.style.backgroundColor = "Canvas";
  document.body.append(page);
  const paper = rgba(getComputedStyle(page).backgroundColor);
  page.remove();
  return layers.reverse().reduce((below, top) => over(top, below), paper);
}
function opacity(node) {
  let all = 1;
  for (let up = node; up; up = up.parentElement) all *= Number(getComputedStyle(up).opacity);
  return all;
}
const found = new Map();
for (const node of document.body.querySelectorAll("*")) {
  const own = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim());
  if (!own || !node.getClientRects().length || ["SCRIPT", "STYLE", "OPTION", "SELECT"].includes(node.tagName)) continue;
  const style = getComputedStyle(node), svg = node instanceof SVGElement;
  if (svg && node.closest("[class^=h]")) continue; // stands on the colour of its tile
  const below = ground(node), ink = rgba(svg ? style.fill : style.color);
  ink[3] *= opacity(node);
  const [a, b] = [light(over(ink, below)), light(below)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) found.set(`${node.tagName} ${node.className.baseVal ?? node.className}`, ratio.toFixed(2));
}
return [...found].map(([name, ratio]) => `${name}: ${ratio}`);
"""


def overflowing(browser: Browser) -> list[str]:
    """Return what stands out of the page on the right and cannot be scrolled to within it."""
    found: list[str] = browser.driver.execute_script(_OVERFLOWING)
    return found


def too_faint(browser: Browser) -> list[str]:
    """Return texts whose contrast is below 4.5, as WCAG 2 has it, each kind once.

    Texts on the tiles of a heat map are left out: what is behind them is no background of theirs.
    """
    found: list[str] = browser.driver.execute_script(_TOO_FAINT)
    return found
