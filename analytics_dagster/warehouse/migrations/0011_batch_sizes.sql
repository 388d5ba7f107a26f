-- A file is hashed before it is read only if one of its size was met before.
create index on raw.batches (bytes);
