// Texts that are made of what the server says.

import * as vscode from "vscode";
import type { ContextEntry, Location } from "./protocol";

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];
const ICONS: Record<string, string> = {
  note: "note",
  code: "code",
  todo: "checklist",
  link: "link",
};

/** "5 minutes ago", in the language of the window. */
export function ago(time: string): string {
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  const format = new Intl.RelativeTimeFormat(vscode.env.language, { numeric: "auto" });
  for (const [unit, size] of UNITS) {
    if (seconds >= size) return format.format(-Math.floor(seconds / size), unit);
  }
  return vscode.l10n.t("just now");
}

export function iconOf(entry: ContextEntry): vscode.ThemeIcon {
  return new vscode.ThemeIcon(ICONS[entry.kind] ?? "file-text");
}

/** What an entry is called where there is one line for it; a heading of Markdown without marks. */
export function titleOf(entry: ContextEntry): string {
  const { kind, preview } = entry;
  return (kind === "note" ? preview.replace(/^#+\s+/, "") : preview) || kind;
}

export function locationOf(entry: ContextEntry): Location | undefined {
  return entry.location as unknown as Location | undefined;
}

/** The URI of a location, which may be an absolute path. */
export function uriOf(location: Location): vscode.Uri {
  return /^[a-z][\w+.-]+:/i.test(location.uri)
    ? vscode.Uri.parse(location.uri)
    : vscode.Uri.file(location.uri);
}

/** Markdown in which a text means nothing but itself. */
export function plain(text: string): string {
  return text.replace(/[\\`*_{}[\]<>()#+\-.!|~$&]/g, "\\$&");
}

/** A text for a label, in which nothing is an icon. */
export function literal(text: string): string {
  return text.replaceAll("$(", "$\u200b(");
}
