//! Sections of `--help` and the man page that follow the arguments.

/// The exit statuses and their meanings.
const EXIT_STATUS: [(&str, &str); 7] = [
    ("0", "success"),
    ("1", "failure: an input, the output or the store could not be read or written"),
    ("2", "usage: the arguments are invalid, or do not fit the file"),
    ("3", "not found: there is no such store, or no such file in it"),
    ("4", "damaged: the store is damaged, or something is missing from it"),
    ("129, 130, 143", "ended by SIGHUP, SIGINT (Ctrl-C) or SIGTERM"),
    ("141", "the reader of standard output closed it"),
];

const ERRORS: &str = "One line on standard error, `error: …`. With --json, one JSON document: \
    {\"error\": {\"code\": …, \"message\": …}}; no code ever changes its meaning.";

const ENVIRONMENT: [(&str, &str); 5] = [
    ("CHUNKER_STORE", "the store, if --store is not given"),
    ("CHUNKER_PROFILE", "the profile, if --profile is not given"),
    ("CHUNKER_TOKEN", "the token of `serve`, if --token-file is not given"),
    ("RAYON_NUM_THREADS", "number of hashing threads; default: one per core"),
    ("AWS_ACCESS_KEY_ID, …", "credentials and endpoints of remote stores"),
];

/// Returns the sections after the options in `--help`.
pub(crate) fn help() -> String {
    let list = |entries: &[(&str, &str)]| -> String {
        let width = entries.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        entries.iter().map(|(name, meaning)| format!("\n  {name:width$}  {meaning}")).collect()
    };
    let (statuses, environment) = (list(&EXIT_STATUS), list(&ENVIRONMENT));
    format!("Exit status:{statuses}\n\nErrors:\n  {ERRORS}\n\nEnvironment:{environment}")
}

/// Returns the same as sections of a man page.
pub(crate) fn sections() -> String {
    let escape = |text: &str| text.replace('\\', "\\\\").replace('-', "\\-");
    let list = |entries: &[(&str, &str)]| -> String {
        let entry =
            |(name, meaning): &(&str, &str)| format!(".TP\n\\fB{}\\fR\n{}\n", escape(name), escape(meaning));
        entries.iter().map(entry).collect()
    };
    let (statuses, errors, environment) = (list(&EXIT_STATUS), escape(ERRORS), list(&ENVIRONMENT));
    format!(".SH \"EXIT STATUS\"\n{statuses}.SH ERRORS\n{errors}\n.SH ENVIRONMENT\n{environment}")
}
