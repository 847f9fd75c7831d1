-- What the probe's handlers did.
CREATE TABLE effects (
    effect text NOT NULL
);
COMMENT ON COLUMN effects.effect IS 'not personal';
