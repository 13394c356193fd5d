-- Public, standing coincidences for a DaCHS on the same server: run in DaCHS's own database by whoever
-- may make extensions there. It reads with the role of `correlator db read-only-role`, and no more.
--
--   psql gavo -v host=127.0.0.1 -v port=5432 -v dbname=correlator -v role=analyst -v password=... \
--       -f deploy/dachs/adopt.sql
--
-- docs/operations/cone_search.md says what follows.

CREATE EXTENSION IF NOT EXISTS postgres_fdw;

CREATE SERVER correlator FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host :'host', port :'port', dbname :'dbname', fetch_size '10000', updatable 'false');

CREATE USER MAPPING FOR CURRENT_USER SERVER correlator
    OPTIONS (user :'role', password :'password');

CREATE SCHEMA correlator_there;
IMPORT FOREIGN SCHEMA analysts LIMIT TO (coincidences) FROM SERVER correlator INTO correlator_there;

CREATE SCHEMA correlator;
CREATE MATERIALIZED VIEW correlator.coincidences AS
SELECT
    coincidence_id || '/' || case_name AS id,
    ra_deg AS ra,
    dec_deg AS dec,
    object_key,
    event_key,
    case_name,
    event_unix_s / 86400 + 40587 AS event_mjd,
    delta_t_s / 86400 AS delta_t_d,
    credible_level,
    log_lr,
    priority,
    rank,
    last_mag_ab,
    last_band,
    last_unix_s / 86400 + 40587 AS last_mjd,
    separation_deg,
    prior_activity_days,
    n_detections,
    revision,
    published_unix_s / 86400 + 40587 AS published_mjd
FROM correlator_there.coincidences
WHERE is_current AND state = 'active';

-- By it a refresh need not lock out who reads.
CREATE UNIQUE INDEX ON correlator.coincidences (id);

-- The roles of DaCHS; the last one is who asks over TAP.
GRANT USAGE ON SCHEMA correlator TO gavo, gavoadmin, untrusted;
GRANT SELECT ON correlator.coincidences TO gavo, gavoadmin, untrusted;
