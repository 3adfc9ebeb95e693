//! What a person types: passwords, which a terminal does not show.

use crate::operations::{Problem, Sensitive};
use std::io::IsTerminal;
use zeroize::Zeroizing;

pub fn read_password(user: &str) -> Result<Sensitive, Problem> {
    read_hidden(&format!("Password for {user} (at least 8 characters), then Enter:"))
}

pub fn read_user_code(user: &str) -> Result<Sensitive, Problem> {
    read_hidden(&format!("User code for {user} (6 to 64 letters, digits or signs), then Enter:"))
}

/// From a terminal it is read twice and not shown; else it is the first line of standard input.
pub fn read_hidden(question: &str) -> Result<Sensitive, Problem> {
    let shown = !(std::io::stdin().is_terminal() && echo(false));
    let first = prompt(question);
    let second = if shown || first.is_err() { None } else { Some(prompt("The same once more:")) };
    if !shown {
        echo(true);
    }
    let first = first?;
    match second.transpose()? {
        Some(second) if second.reveal() != first.reveal() => Err(Problem::invalid("the two were not the same; nothing was done")),
        _ => Ok(first),
    }
}

fn prompt(text: &str) -> Result<Sensitive, Problem> {
    if std::io::stdin().is_terminal() {
        eprintln!("{text}");
    }
    let mut line = Zeroizing::new(String::new());
    if std::io::stdin().read_line(&mut line).map_err(|it| Problem::fault(it.to_string()))? == 0 {
        return Err(Problem::invalid("nothing came on standard input; type it there, or send it by a pipe"));
    }
    Ok(Sensitive::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The terminal shows, or does not show, what is typed; false where there is no `stty` to tell it.
fn echo(on: bool) -> bool {
    std::process::Command::new("stty").arg(if on { "echo" } else { "-echo" }).status().is_ok_and(|it| it.success())
}
