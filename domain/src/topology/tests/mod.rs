mod edges;
mod flows;
mod maps;
