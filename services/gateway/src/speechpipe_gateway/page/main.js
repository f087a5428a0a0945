// The page: its parts put together.

import { Captions } from "./captions.js";
import { Choices } from "./choices.js";
import { askKey, askSave, download, rememberedKey } from "./dialogs.js";
import { Indicators } from "./indicators.js";
import { Listening } from "./listening.js";
import { Looks } from "./settings.js";
import { listen } from "./shortcuts.js";
import { openFile, openMicrophone, openTab, prepareCapture } from "./sources.js";
import { Stage } from "./stage.js";
import { write } from "./subtitles.js";
import { Transcript } from "./transcript.js";

const find = (id) => document.getElementById(id);
const press = (id, action) => find(id).addEventListener("click", action);
const KINDS = { txt: "text/plain", srt: "application/x-subrip", vtt: "text/vtt" };

const indicators = new Indicators();
const looks = new Looks();
const transcript = new Transcript();
const stage = new Stage();

function start(config) {
  const choices = new Choices(config, () => listening.languagesChanged());
  const captions = new Captions((code) => choices.name(code));
  const listening = new Listening({
    config: { url: socketAddress(), key: config.key },
    key: rememberedKey(),
    languages: () => choices.languages,
    askKey,
    show: {
      state: showState,
      say: (text, kind) => indicators.say(text, kind),
      level: (share) => (share === null ? indicators.still() : indicators.level(share)),
      delay: (seconds) => indicators.delay(seconds),
      ready: () => transcript.reconnected(),
      changed: () => showButton(listening),
      message: (message, place) => {
        const segment = transcript.apply(message, place);
        if (segment) captions.draw(segment, transcript.segments);
        if (segment) stage.draw(transcript.segments, choices.languages.targets);
      },
    },
  });
  const actions = {
    toggle: () => (listening.running ? listening.stop() : listening.begin(openChosen, chosenSource())),
    stage: () => (stage.isOpen ? stage.close() : openStage(choices)),
    save: () => save(choices),
    help: () => find("help-dialog").showModal(),
    select: (from) => listening.running || select(from),
  };
  window.addEventListener("online", () => listening.reconnect());
  wire(actions);
  listen(shortcuts(actions));
  showSource();
}

function wire(actions) {
  press("start", actions.toggle);
  press("smaller", () => looks.resize(-1));
  press("larger", () => looks.resize(1));
  press("theme", () => looks.toggleTheme());
  press("subtitles", actions.stage);
  press("save", actions.save);
  press("help", actions.help);
  find("file").addEventListener("change", () => {
    find("file-name").textContent = find("file").files[0]?.name ?? "No file yet";
  });
  for (const radio of document.getElementsByName("from")) radio.addEventListener("change", showSource);
}

function shortcuts(actions) {
  const focus = (id) => () => find(id).focus();
  return [
    { keys: [" "], name: "Space", what: "Start or stop", run: actions.toggle },
    { keys: ["m"], name: "M", what: "Microphone", run: () => actions.select("microphone") },
    { keys: ["f"], name: "F", what: "File", run: () => actions.select("file") },
    { keys: ["t"], name: "T", what: "Tab", run: () => actions.select("tab") },
    { keys: ["l"], name: "L", what: "Spoken language", run: focus("source-input") },
    { keys: ["i"], name: "I", what: "Translate into", run: focus("target-input") },
    { keys: ["v"], name: "V", what: "Subtitle view", run: actions.stage },
    { keys: ["s"], name: "S", what: "Save the captions", run: actions.save },
    { keys: ["d"], name: "D", what: "Dark or light", run: () => looks.toggleTheme() },
    { keys: ["+", "="], name: "+", what: "Larger text", run: () => looks.resize(1) },
    { keys: ["-"], name: "−", what: "Smaller text", run: () => looks.resize(-1) },
    { keys: ["?"], name: "?", what: "This list", run: actions.help },
    { keys: ["escape"], name: "Esc", what: "Leave the subtitle view", run: () => stage.close() },
  ];
}

function chosenSource() {
  return document.querySelector("input[name=from]:checked").value;
}

async function openChosen() {
  const from = chosenSource();
  if (from === "microphone") return openMicrophone();
  if (from === "tab") return openTab();
  const file = find("file").files[0];
  return file ? openFile(file, { aloud: find("aloud").checked }) : null;
}

function select(from) {
  const radio = document.querySelector(`input[name=from][value=${from}]`);
  radio.checked = true;
  radio.focus();
  showSource();
}

function showSource() {
  find("file-options").hidden = chosenSource() !== "file";
}

function showButton({ running, stopping }) {
  find("start").toggleAttribute("data-running", running);
  find("start-text").textContent = stopping ? "Stop waiting" : running ? "Stop" : "Start";
  document.querySelector(".sources").disabled = running;
  find("file").disabled = running;
}

function showState(name, text = "", seconds = 0) {
  indicators.state(name, seconds >= 1 ? `again in ${Math.round(seconds)} s` : "");
  if (name === "live" || name === "finishing") {
    if (text) indicators.say(text, "good", "connection");
    else indicators.clear("connection");
  } else if (name === "opening") {
    indicators.clear();
  } else if (text) {
    indicators.say(text, name === "key" ? "bad" : "warn", "connection");
  }
}

function openStage(choices) {
  stage.open();
  stage.draw(transcript.segments, choices.languages.targets);
}

async function save(choices) {
  const { segments } = transcript;
  if (transcript.isEmpty) {
    indicators.say("There are no captions to save yet.", "warn");
    return;
  }
  const targets = [...new Set(segments.flatMap((segment) => [...segment.translations.keys()]))];
  const texts = targets.map((code) => ({ value: code, label: `Translation: ${choices.name(code)}` }));
  const wanted = await askSave([{ value: "", label: "What was said" }, ...texts]);
  if (!wanted) return;
  const { language, form } = wanted;
  download(`captions${language && `-${language}`}.${form}`, write(segments, form, language || null), KINDS[form]);
}

function socketAddress() {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  return url;
}

try {
  const config = await (await fetch(new URL("page/config.json", document.baseURI))).json();
  await prepareCapture(config.worklet);
  start(config);
} catch {
  indicators.say("The server does not answer. It may be down, or the network is. Load this page again.");
}
