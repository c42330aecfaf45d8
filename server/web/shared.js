// What both pages share: language and theme, which the browser remembers.

export const at = (id) => document.getElementById(id);

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function remembered(key, otherwise) {
  try {
    return localStorage.getItem(key) ?? otherwise;
  } catch {
    return otherwise; // Storage may be forbidden; the page works without.
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // See above.
  }
}

// Calls `speak` with the language that was chosen, or the browser's; the button #language changes it.
export function languages(speak) {
  let language = remembered("language", navigator.language.startsWith("zh") ? "zh" : "en");
  const use = () => {
    const button = at("language");
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    button.textContent = language === "zh" ? "English" : "中文";
    button.lang = language === "zh" ? "en" : "zh-CN";
    speak(language);
  };
  at("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    remember("language", language);
    use();
  });
  use();
}

// The theme that was chosen, or the system's; the button #theme changes it. `name` is called with each.
export function themes(name) {
  const wear = (theme) => {
    document.documentElement.dataset.theme = theme;
    name();
  };
  at("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    remember("theme", theme);
    wear(theme);
  });
  wear(remembered("theme", matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
}

export function isDark() {
  return document.documentElement.dataset.theme === "dark";
}
