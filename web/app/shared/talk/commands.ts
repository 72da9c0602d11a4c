// What hosts and moderators can type into the chat's field instead of a line. The room does it and says what it did.

export interface Command {
  name: string;
  /** What follows the name. */
  form: string;
  help: string;
}

export const COMMANDS: readonly Command[] = [
  { name: "/pin", form: "N", help: "Show row N of the run sheet" },
  { name: "/unpin", form: "", help: "Show no product" },
  { name: "/slow", form: "SECONDS or off", help: "One line per person in so many seconds" },
  { name: "/announce", form: "TEXT or off", help: "Pin words above the chat" },
  { name: "/poll", form: "QUESTION | A | B", help: "Open a poll of 2 to 6 choices" },
  { name: "/endpoll", form: "", help: "Close the poll" },
  { name: "/timeout", form: "NAME MINUTES", help: "Let somebody not write for a while" },
  { name: "/ban", form: "NAME", help: "Keep somebody out of this show" },
  { name: "/help", form: "", help: "What can be typed here" },
];

/** Those that what is typed may become; once its arguments are being typed, that one alone. */
export function matching(text: string): readonly Command[] {
  const typed = text.trimStart();
  if (!typed.startsWith("/")) return [];
  const [word = "", ...rest] = typed.split(" ");
  const name = word.toLowerCase();
  return COMMANDS.filter((command) => (rest.length > 0 ? command.name === name : command.name.startsWith(name)));
}

/** The field's text once a command was picked. */
export const completed = ({ name, form }: Command): string => (form ? `${name} ` : name);
