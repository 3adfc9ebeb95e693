//! `cargo demo`: a server, APIs and phones on this machine, talking for real; then the server stays up for a person.

mod anysocial;
mod api;
#[cfg(feature = "plugins")]
mod branch;
mod guarded;
mod print;
mod scenes;
mod shop;
mod stage;
mod utopia;
mod world;

use crate::scenes::{SCENES, Scene};
use crate::stage::Stage;
use crate::world::{PASSWORD, World};
use clap::Parser;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;

#[derive(Parser)]
#[command(name = "cargo demo --", about = "Plays Symbolon's story against a real server on this machine. Then you may sign in yourself.")]
struct Arguments {
    /// Play the story, then stop. The exit code says whether every act ended as expected.
    #[arg(long)]
    once: bool,
    /// Play every scene, then stop.
    #[arg(long, conflicts_with_all = ["scene", "list"])]
    all: bool,
    /// Play this scene, then stop. May be given several times.
    #[arg(long, value_name = "NAME")]
    scene: Vec<String>,
    /// List the scenes.
    #[arg(long)]
    list: bool,
    /// Where the server listens; 0 takes a free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// This process is Anysocial: its issuer, the shop's server, and its directory.
    #[arg(long = anysocial::ARGUMENT, num_args = 3, hide = true)]
    as_anysocial: Vec<String>,
    /// This process is the guard, with this file.
    #[arg(long = guarded::ARGUMENT, hide = true)]
    as_guard: Option<std::path::PathBuf>,
}

/// The login name of the person who reads.
const READER: &str = "alice";

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        list();
        return ExitCode::SUCCESS;
    }
    let done = match (arguments.as_anysocial.as_slice(), &arguments.as_guard) {
        ([issuer, shop, home], _) => anysocial::serve(issuer, shop, home.into()).await.map(|()| true),
        (_, Some(file)) => guarded::serve(file.clone()).await.map(|()| true),
        _ => run(arguments).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("\nSome acts did not end as expected.");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("The demo could not run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    println!("The story (cargo demo):");
    let print = |scene: &Scene| println!("  {:<16} {}", scene.name, scene.about);
    SCENES.iter().filter(|it| it.in_story).for_each(print);
    println!("\nMore (cargo demo -- --scene NAME, or --all):");
    SCENES.iter().filter(|it| !it.in_story).for_each(print);
}

/// The scenes that were asked for, in the order of the play.
fn chosen(arguments: &Arguments) -> Result<Vec<&'static Scene>, Failure> {
    if let Some(unknown) = arguments.scene.iter().find(|name| !SCENES.iter().any(|it| it.name == name.as_str())) {
        return Err(format!("there is no scene {unknown:?}. `cargo demo -- --list` names them all.").into());
    }
    #[cfg(feature = "plugins")]
    if let Some(why) = arguments.scene.iter().find_map(|name| branch::lacks(name)) {
        return Err(why.into());
    }
    let is_chosen = |it: &&Scene| match arguments.scene.as_slice() {
        [] => arguments.all || it.in_story,
        names => names.iter().any(|name| name == it.name),
    };
    Ok(SCENES.iter().filter(is_chosen).collect())
}

async fn run(arguments: Arguments) -> Result<bool, Failure> {
    let scenes = chosen(&arguments)?;
    let world = Arc::new(World::start(arguments.port).await?);
    let mut stage = Stage::new(world.clone());
    for scene in scenes {
        stage.begin(scene.name, scene.about).await?;
        if let Err(trouble) = (scene.acts)(&mut stage).await {
            stage.broke_off(&trouble);
        }
    }
    let is_good = stage.finish();
    if !arguments.once && !arguments.all && arguments.scene.is_empty() {
        stay_up(&world).await?;
    }
    if let Some(world) = Arc::into_inner(world) {
        world.stop().await;
    }
    Ok(is_good)
}

/// Now the person who reads signs in, until Ctrl-C.
async fn stay_up(world: &World) -> Result<(), Failure> {
    world.new_account(READER).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let shop = tokio::spawn(shop::serve(listener, world.issuer.clone(), world.api.clone()));
    println!("`cargo demo -- --list` names more scenes; --scene NAME plays one, --all plays them all.");
    println!("\nNow you. Open\n\n    http://{address}/\n\nand sign in as {READER} with the password: {PASSWORD}");
    println!("Or sign in with a code to {READER}@example.com, or make an account of your own.");
    println!(
        "Or continue with Anysocial, another server on this machine: as {} with the password: {}",
        anysocial::PERSON,
        anysocial::PASSWORD
    );
    println!("E-mails to any address are printed here. The server itself is at {}/ . Ctrl-C ends everything.", world.issuer);
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        () = world.read_letters_out() => {}
    }
    shop.abort();
    Ok(())
}
