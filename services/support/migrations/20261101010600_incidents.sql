-- Incidents and announced maintenance. What a customer reported is private for good; what the public sees is written by staff.
CREATE TABLE incidents (
    incident_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    title text NOT NULL,
    report text NOT NULL,
    reporter_sub text,
    components text[] NOT NULL,
    publish_time timestamptz,
    start_time timestamptz NOT NULL,
    end_time timestamptz,
    create_time timestamptz NOT NULL,
    CONSTRAINT incidents_pkey PRIMARY KEY (incident_id),
    CONSTRAINT incidents_kind CHECK (kind IN ('INCIDENT', 'MAINTENANCE')),
    CONSTRAINT incidents_state CHECK (
        state IN ('REPORTED', 'INVESTIGATING', 'IDENTIFIED', 'MONITORING', 'RESOLVED', 'SCHEDULED')
    ),
    -- What is public has a title and says what is affected.
    CONSTRAINT incidents_public CHECK (publish_time IS NULL OR (title <> '' AND cardinality(components) > 0)),
    -- A maintenance is announced 24 hours ahead: otherwise its time would count as an outage.
    CONSTRAINT incidents_announced CHECK (
        kind <> 'MAINTENANCE'
        OR (publish_time IS NOT NULL AND end_time > start_time AND start_time >= publish_time + interval '24 hours')
    )
);

CREATE INDEX incidents_create ON incidents (create_time DESC, incident_id DESC);
CREATE INDEX incidents_state_create ON incidents (state, create_time DESC, incident_id DESC);
CREATE INDEX incidents_public ON incidents (start_time DESC) WHERE publish_time IS NOT NULL;

CREATE TABLE incident_updates (
    update_id uuid NOT NULL,
    incident_id uuid NOT NULL,
    state text NOT NULL,
    text text NOT NULL,
    -- Whether the public sees it, once the incident is public. What was written while it was private stays private, unless staff marked it.
    is_public boolean NOT NULL,
    create_time timestamptz NOT NULL,
    CONSTRAINT incident_updates_pkey PRIMARY KEY (update_id),
    CONSTRAINT incident_updates_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incidents (incident_id)
);

CREATE INDEX incident_updates_incident ON incident_updates (incident_id, create_time DESC);

-- How often each component was measured on a day (UTC), and worked. Minutes of announced maintenance do not count.
CREATE TABLE component_days (
    component text NOT NULL,
    day date NOT NULL,
    up_count integer NOT NULL DEFAULT 0,
    down_count integer NOT NULL DEFAULT 0,
    maintenance_count integer NOT NULL DEFAULT 0,
    is_up boolean NOT NULL,
    measure_time timestamptz NOT NULL,
    CONSTRAINT component_days_pkey PRIMARY KEY (component, day),
    CONSTRAINT component_days_component CHECK (component IN ('BILLING', 'NOTIFICATIONS', 'SUPPORT', 'COMPLIANCE'))
);

COMMENT ON TABLE incidents IS
    'Incidents and announced maintenance.
    subject: sub reporter_sub; erase: pseudonymise; clock: create_time';
COMMENT ON COLUMN incidents.incident_id IS 'not personal';
COMMENT ON COLUMN incidents.kind IS 'not personal';
COMMENT ON COLUMN incidents.state IS 'not personal';
COMMENT ON COLUMN incidents.title IS 'not personal';
COMMENT ON COLUMN incidents.report IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN incidents.reporter_sub IS 'personal: IDENTIFIER; keep: 2y';
COMMENT ON COLUMN incidents.components IS 'not personal';
COMMENT ON COLUMN incidents.publish_time IS 'not personal';
COMMENT ON COLUMN incidents.start_time IS 'not personal';
COMMENT ON COLUMN incidents.end_time IS 'not personal';
COMMENT ON COLUMN incidents.create_time IS 'not personal';
COMMENT ON TABLE incident_updates IS 'The news of incidents, in words of staff.';
COMMENT ON COLUMN incident_updates.update_id IS 'not personal';
COMMENT ON COLUMN incident_updates.incident_id IS 'not personal';
COMMENT ON COLUMN incident_updates.state IS 'not personal';
COMMENT ON COLUMN incident_updates.text IS 'not personal';
COMMENT ON COLUMN incident_updates.is_public IS 'not personal';
COMMENT ON COLUMN incident_updates.create_time IS 'not personal';
COMMENT ON TABLE component_days IS 'How often each component was measured on a day, and worked.';
COMMENT ON COLUMN component_days.component IS 'not personal';
COMMENT ON COLUMN component_days.day IS 'not personal';
COMMENT ON COLUMN component_days.up_count IS 'not personal';
COMMENT ON COLUMN component_days.down_count IS 'not personal';
COMMENT ON COLUMN component_days.maintenance_count IS 'not personal';
COMMENT ON COLUMN component_days.is_up IS 'not personal';
COMMENT ON COLUMN component_days.measure_time IS 'not personal';
