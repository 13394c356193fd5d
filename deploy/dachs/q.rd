<resource schema="correlator" resdir="correlator">
  <!-- A resource descriptor for DaCHS: coincidences by cone search and TAP. `adopt.sql` makes the
       table; docs/operations/cone_search.md says how. -->
  <meta name="title">Coincidences of optical transients with GRB, X-ray, neutrino and GW events</meta>
  <meta name="creationDate">2026-11-29T00:00:00Z</meta>
  <meta name="description">
    Coincidences that stand, as published: an optical object of ZTF or LSST, and an event of which
    it may be the counterpart. A match is a suggestion.
  </meta>
  <meta name="subject">transient-sources</meta>
  <meta name="creator.name">Who runs the correlator</meta>

  <table id="coincidences" onDisk="True" adql="True" primary="id">
    <stc>Position ICRS Epoch J2000.0 "ra" "dec"</stc>
    <column name="id" type="text" ucd="meta.id;meta.main" required="True" verbLevel="1"
      description="Id of the coincidence in its science case"/>
    <column name="ra" type="double precision" unit="deg" ucd="pos.eq.ra;meta.main"
      required="True" verbLevel="1" description="Position of the object, ICRS"/>
    <column name="dec" type="double precision" unit="deg" ucd="pos.eq.dec;meta.main"
      required="True" verbLevel="1" description="Position of the object, ICRS"/>
    <column name="object_key" type="text" ucd="meta.id" verbLevel="1" description="The object"/>
    <column name="event_key" type="text" ucd="meta.id" verbLevel="1" description="The event"/>
    <column name="case_name" type="text" ucd="meta.code" verbLevel="10"
      description="Science case whose rule it passed"/>
    <column name="event_mjd" type="double precision" unit="d" ucd="time.epoch" verbLevel="10"
      description="T0 of the event, UTC"/>
    <column name="delta_t_d" type="double precision" unit="d" ucd="time.interval" verbLevel="10"
      description="First detection since T0, minus T0"/>
    <column name="credible_level" type="double precision" ucd="stat.probability" verbLevel="10"
      description="Of the position in the event's localization: 0 at the peak, 1 at the edge"/>
    <column name="log_lr" type="double precision" ucd="stat.likelihood" verbLevel="10"
      description="Natural logarithm of the likelihood ratio"/>
    <column name="priority" type="double precision" ucd="stat.value" verbLevel="10"
      description="Order in which to point a telescope; not a probability"/>
    <column name="rank" type="integer" ucd="stat.rank" verbLevel="10"
      description="Among the published candidates of the event"><values nullLiteral="-1"/></column>
    <column name="last_mag_ab" type="double precision" unit="mag" ucd="phot.mag;em.opt"
      verbLevel="10" description="Last detection: difference magnitude, AB"/>
    <column name="last_band" type="text" ucd="instr.bandpass" verbLevel="10"
      description="Its band"/>
    <column name="last_mjd" type="double precision" unit="d" ucd="time.end" verbLevel="10"
      description="Its time, UTC"/>
    <column name="separation_deg" type="double precision" unit="deg" ucd="pos.angDistance"
      verbLevel="20" description="From the centre of a circle; null for a map"/>
    <column name="prior_activity_days" type="double precision" unit="d" ucd="time.duration"
      verbLevel="20" description="How long before T0 it was already seen; null when it was not"/>
    <column name="n_detections" type="integer" ucd="meta.number" verbLevel="20"
      description="Positive detections since T0"><values nullLiteral="-1"/></column>
    <column name="revision" type="integer" ucd="meta.version" verbLevel="20" required="True"
      description="Revision of the coincidence"/>
    <column name="published_mjd" type="double precision" unit="d" ucd="time.release"
      verbLevel="20" description="When that was published, UTC"/>
  </table>

  <service id="cone" allowed="scs.xml,form">
    <meta name="shortName">mm coincidences</meta>
    <meta name="testQuery">
      <meta name="ra">150.0</meta>
      <meta name="dec">20.0</meta>
      <meta name="sr">1.0</meta>
    </meta>
    <scsCore queriedTable="coincidences">
      <FEED source="//scs#coreDescs"/>
    </scsCore>
    <publish render="scs.xml" sets="ivo_managed"/>
    <publish render="form" sets="ivo_managed,local"/>
  </service>
</resource>
