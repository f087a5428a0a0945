// What the end of a connection means, and how people are told. Pure.

export const RETRY = "retry"; // connect again and resume
export const ANEW = "anew"; // begin another session with the audio that is kept
export const KEY = "key"; // ask for a key
export const OVER = "over"; // trying again would not help
export const DONE = "done"; // everything was delivered

const KEY_CODES = new Set(["bad_token", "not_authenticated", "auth_timeout"]);

/**
 * @param {number} code of the close; 1006 where there was none.
 * @param {?{code: string, message: string}} said the error that came before it.
 * @param {{opened: boolean, keyShown: boolean}} then whether the session had begun, and whether a key was shown.
 * @returns {{what: string, text: string, wait?: number}}
 */
export function judge(code, said, { opened, keyShown }) {
  const reason = said?.code ?? "";
  switch (code) {
    case 1000:
      return { what: DONE, text: "" };
    case 1008:
      return judgeRefusal(reason, said, keyShown);
    case 1012:
      return { what: RETRY, text: "The server restarts. Nothing is lost; trying again." };
    case 1013:
      return { what: RETRY, wait: 2, text: fullText(reason) };
    case 4408:
      return reason === "session_too_long"
        ? { what: ANEW, text: "The session reached its longest duration. Going on in a new one." }
        : { what: RETRY, text: "The server heard nothing for too long and hung up. Coming back." };
    case 4409:
      return { what: OVER, text: "This session was taken over by another connection, so this page has let go of it." };
    case 1009:
    case 4400:
      return { what: OVER, text: `The server did not understand this page: ${said?.message ?? "no reason given"}.` };
    case 1011:
      return { what: RETRY, text: "The server had a fault. Nothing is lost; trying again." };
    default:
      return {
        what: RETRY,
        text: opened
          ? "The connection is lost. What you say is kept and sent when it is back."
          : "The server does not answer. It may be down, or the network is. Trying again.",
      };
  }
}

function judgeRefusal(reason, said, keyShown) {
  if (reason === "resume_denied") {
    return { what: ANEW, text: "The server no longer knows this session. Going on in a new one." };
  }
  if (reason === "not_authenticated" && !keyShown) return { what: KEY, text: "This server asks for an API key." };
  if (KEY_CODES.has(reason)) return { what: KEY, text: "This key is wrong: the server does not know it." };
  if (reason.startsWith("token_")) return { what: KEY, text: `The server does not take this token: ${said.message}.` };
  return { what: OVER, text: `The server refused this page: ${said?.message ?? "no reason given"}.` };
}

const FULL = {
  draining: "The server restarts. Trying again.",
  unavailable: "The server can take no sessions at the moment. Trying again.",
  redis_unavailable: "The server can take no sessions at the moment. Trying again.",
  token_keys_unavailable: "The server cannot check keys at the moment. Trying again.",
  key_full: "Every session of this key is in use. Trying again until one ends.",
};

function fullText(reason) {
  return FULL[reason] ?? "The server is full: every place is taken. Trying again until there is one.";
}

/** A sentence for an error of getUserMedia or getDisplayMedia. */
export function sourceError(error, source) {
  const tab = source === "tab";
  switch (error?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return tab
        ? "No tab was shared. Choose one, and tick “Also share tab audio”."
        : "The microphone is blocked for this page. Allow it in the browser's address bar, then start again.";
    case "NotFoundError":
    case "OverconstrainedError":
      return tab
        ? "There is nothing here that could be shared."
        : "No microphone was found. Connect one, then start again, or choose a file.";
    case "NotReadableError":
    case "AbortError":
      return tab
        ? "The tab's sound cannot be had. Share another tab."
        : "The microphone cannot be used. Another program may have it, or the system blocks it.";
    case "NoSound":
      return "That was shared without its sound. Share it again and tick “Also share tab audio”.";
    case "Insecure":
      return "Browsers give sound only to pages at https:// or localhost. Open this page there, or choose a file.";
    case "EncodingError":
      return "This file cannot be read as audio. Try WAV, MP3, M4A, Ogg, FLAC or WebM.";
    case "Unreachable":
      return "The server does not answer, and this page is not loaded whole. Load it again when the server is back.";
    case "NotSupportedError":
      return tab ? "This browser cannot share a tab's sound." : "This browser cannot record sound.";
    default:
      return `The sound could not be opened: ${error?.message || error?.name || "no reason given"}.`;
  }
}
