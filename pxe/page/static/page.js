"use strict";

// The token comes behind the # of the address, which no server sees, or is
// typed. It stays in this tab.
const tokenKey = "cairn-page-token";
if (location.hash.length > 1) {
  sessionStorage.setItem(tokenKey, location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}

const $ = (id) => document.getElementById(id);
let picked = "";
let lastAnswer = 0;

// make builds an element; text is text, never markup.
function make(tag, cls, ...children) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  e.append(...children.filter((c) => c !== undefined && c !== null && c !== ""));
  return e;
}

const lamps = {
  seen: "wait", booting: "work", inventoried: "work", matched: "wait", checked: "work",
  installing: "work", enrolled: "work", ready: "good", failed: "bad",
};
const steps = ["seen", "booting", "inventoried", "matched", "checked", "installing", "enrolled", "ready"];

function duration(seconds) {
  seconds = Math.max(0, Math.round(seconds));
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + (seconds % 60) + " s";
  return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
}

function bytes(n) {
  if (n >= 1 << 30) return (n / (1 << 30)).toFixed(1) + " GiB";
  return (n / (1 << 20)).toFixed(0) + " MiB";
}

// place is the switch port that the machine booted from.
function place(m) {
  const nics = (m.inventory && m.inventory.nics) || [];
  const n = nics.find((n) => n.lldp && m.inventory.boot_mac === n.mac) || nics.find((n) => n.lldp);
  if (!n) return "";
  return [n.lldp.switch || n.lldp.chassis, n.lldp.port || n.lldp.description].filter(Boolean).join(" ");
}

// fetched says where the machine has the image from.
function fetched(m) {
  const t = m.traffic;
  if (!t) return "";
  return bytes(t.deployer) + " from the deployer, " + bytes(t.peers) + " from other machines" + (t.given ? ", " + bytes(t.given) + " given to them" : "");
}

function title(m) { return m.name || (m.macs && m.macs[0]) || m.id; }

// why says why a machine is where it is.
function why(m) {
  if (m.state === "failed") return m.reason;
  return m.hint || m.wait || (m.progress && m.progress.detail && m.state === "installing" ? m.progress.detail : "");
}

function bar(m, now) {
  const p = m.progress;
  const b = make("div", "bar");
  let share = steps.indexOf(m.state) / (steps.length - 1);
  let text = duration((now - Date.parse(m.since)) / 1000) + " in " + m.state;
  if (m.state === "installing" && p) {
    text = p.phase;
    if (p.total) {
      share = p.done / p.total;
      text += " " + Math.floor(100 * share) + " % of " + bytes(p.total);
    }
    if (p.mb_per_s) text += ", " + p.mb_per_s.toFixed(0) + " MB/s";
    if (p.eta_s) text += ", " + duration(p.eta_s) + " left";
  }
  const fill = make("i");
  fill.style.width = m.state === "failed" ? "0" : Math.max(2, 100 * share) + "%";
  b.append(fill, make("span", "", text));
  return b;
}

function unit(m, now) {
  const u = make("button", "unit",
    make("span", "lamp " + (m.state !== "failed" && m.hint ? "wait" : lamps[m.state] || "")),
    make("span", "name", title(m)),
    make("span", "", m.state),
    bar(m, now));
  const words = why(m);
  const where = [m.address, place(m), m.node && m.node.roles && m.node.roles.join(", "), m.state === "installing" && fetched(m)].filter(Boolean).join(" \u00b7 ");
  if (where) u.append(make("span", "place why", where));
  if (words) u.append(make("span", "why" + (m.state === "failed" ? " bad" : ""), words));
  u.type = "button";
  u.dataset.id = m.id;
  u.setAttribute("aria-pressed", String(m.id === picked));
  u.onclick = () => { picked = m.id; refresh(); };
  return u;
}

// byPlace sorts by switch port, then by name, numbers as numbers.
function byPlace(a, b) {
  const order = new Intl.Collator("en", { numeric: true });
  return (place(a) === "") - (place(b) === "") || order.compare(place(a), place(b)) || order.compare(title(a), title(b));
}

function pair(list, key, value) {
  if (value === undefined || value === null || value === "") return;
  list.append(make("dt", "", key), make("dd", "", String(value)));
}

function disk(d) {
  const words = [d.path, bytes(d.size), d.model, d.serial && "serial " + d.serial, d.rotational ? "rotational" : ""];
  if (d.health) words.push(d.health.ok ? "healthy" : "FAILING: " + d.health.why);
  words.push(d.contents ? "holds " + d.contents.join("; ") : "blank");
  return words.filter(Boolean).join(", ");
}

function nic(n) {
  const words = [n.name, n.mac, n.driver, n.link ? (n.speed_mbps ? n.speed_mbps + " Mbit/s" : "link") : "no link"];
  if (n.lldp) words.push([n.lldp.switch || n.lldp.chassis, n.lldp.port].filter(Boolean).join(" port "));
  return words.filter(Boolean).join(", ");
}

function detail(m) {
  const box = $("detail");
  box.replaceChildren();
  if (!m) {
    box.append(make("p", "quiet", "Choose a machine to see what it is and what happened to it."));
    return;
  }
  const l = make("dl");
  const inv = m.inventory;
  pair(l, "machine", m.id);
  pair(l, "state", m.state + (why(m) ? ": " + why(m) : ""));
  pair(l, "MAC", (m.macs || []).join(", "));
  if (inv) {
    pair(l, "hardware", [inv.vendor, inv.product, inv.serial && "serial " + inv.serial, inv.firmware].filter(Boolean).join(", "));
    pair(l, "CPU, memory", [inv.cpus + " CPUs", inv.cpu_model, inv.virt || "no virtualisation", bytes(inv.memory_mib * (1 << 20)), inv.tpm && "TPM " + inv.tpm].filter(Boolean).join(", "));
    for (const d of inv.disks || []) pair(l, "disk", disk(d));
    for (const n of inv.nics || []) pair(l, "card", nic(n));
    if (inv.bmc) pair(l, "BMC", [inv.bmc.address, inv.bmc.mac, inv.bmc.kind].filter(Boolean).join(", "));
  }
  if (m.plan) {
    pair(l, "becomes", m.plan.host_name + ", " + m.plan.roles.join(", ") + " (rule " + m.plan.rule + ")");
    pair(l, "on", m.plan.disk.path + (m.plan.wipes ? ", and loses " + m.plan.wipes.join("; ") : ""));
  }
  pair(l, "image", fetched(m));
  for (const c of m.checks || []) pair(l, (c.ok ? "\u2713 " : "\u2717 ") + c.name, c.why || "passed");
  const log = make("div", "log", (m.history || []).slice().reverse()
    .map((e) => e.at.slice(11, 19) + "  " + e.what + (e.why ? ": " + e.why : "")).join("\n"));
  box.append(make("h2", "", title(m)), l, log);
}

function fabric(f) {
  const box = $("fabric");
  box.replaceChildren();
  if (!f) return;
  const head = make("tr", "", make("th", "", "sends \\ hears"));
  f.members.forEach((w, i) => { const h = make("th", "", String(i + 1)); h.title = w.name; head.append(h); });
  const table = make("table", "", head);
  const signs = { self: "", ok: "\u2713", partial: "!", none: "\u2717", unknown: "?" };
  f.members.forEach((w, i) => {
    const h = make("th", "", (i + 1) + " " + w.name + (w.place ? " (" + w.place + ")" : ""));
    h.scope = "row";
    const row = make("tr", "", h);
    f.cells[i].forEach((c) => {
      const d = make("td", c.state, signs[c.state]);
      d.title = c.state + (c.missing ? ", VLANs missing: " + c.missing : "") + (c.size ? ", " + c.size + " bytes pass" : "");
      row.append(d);
    });
    table.append(row);
  });
  box.append(make("h2", "", "Fabric check, round " + f.round + ": VLANs " + f.vlans + ", " + f.mtu + " bytes"), table);
  for (const x of f.findings || []) box.append(make("p", "finding" + (x.fault ? " fault" : ""), x.text));
}

function show(v) {
  const now = Date.parse(v.now);
  $("rack").textContent = v.rack;
  $("version").textContent = "release " + v.version;
  $("ca").textContent = v.ca;
  document.querySelector("footer").hidden = false;
  const counts = {};
  let rate = 0;
  for (const m of v.machines) {
    counts[m.state] = (counts[m.state] || 0) + 1;
    if (m.state === "installing" && m.progress && m.progress.mb_per_s) rate += m.progress.mb_per_s;
  }
  const list = Object.keys(lamps).filter((s) => counts[s]).map((s) => make("li", "", counts[s] + " " + s));
  if (rate) list.push(make("li", "", rate.toFixed(0) + " MB/s"));
  $("counts").replaceChildren(...list);
  const units = v.machines.slice().sort(byPlace).map((m) => unit(m, now));
  if (units.length === 0) units.push(make("p", "quiet", "No machine has asked for an address yet. Power one on with network boot."));
  const focused = document.activeElement && document.activeElement.dataset.id;
  $("elevation").replaceChildren(...units);
  if (focused) units.find((u) => u.dataset && u.dataset.id === focused)?.focus();
  if (!picked && v.machines.length) picked = (v.machines.find((m) => m.state === "failed") || v.machines[0]).id;
  detail(v.machines.find((m) => m.id === picked));
  fabric(v.fabric);
}

function gate(open) {
  $("gate").hidden = !open;
  document.querySelector("main").hidden = open;
}

async function refresh() {
  const live = $("live");
  const token = sessionStorage.getItem(tokenKey);
  if (!token) {
    live.className = "lost";
    live.textContent = "locked";
    gate(true);
    return;
  }
  try {
    const r = await fetch("/v1/view", { headers: { Authorization: "Bearer " + token }, cache: "no-store" });
    if (r.status === 401) {
      sessionStorage.removeItem(tokenKey);
      live.className = "lost";
      live.textContent = "the token is wrong";
      gate(true);
      return;
    }
    if (!r.ok) throw new Error("the deployer answers " + r.status);
    show(await r.json());
    gate(false);
    lastAnswer = Date.now();
    live.className = "";
    live.textContent = "live";
  } catch (e) {
    live.className = "lost";
    live.textContent = "no answer" + (lastAnswer ? " for " + duration((Date.now() - lastAnswer) / 1000) : "") + ": what is below is old";
  }
}

$("gate").onsubmit = (e) => {
  e.preventDefault();
  sessionStorage.setItem(tokenKey, $("token").value.trim());
  $("token").value = "";
  refresh();
};
refresh();
setInterval(refresh, 2000);
