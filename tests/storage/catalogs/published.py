"""Small files by hand, in the formats in which catalogues are published."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

GAIA_CSV = """\
# %ECSV 1.0
# ---
# delimiter: ','
# datatype:
# - {name: source_id, datatype: int64}
# - {name: ra, unit: deg, datatype: float64}
solution_id,source_id,ra,dec,parallax,parallax_over_error,pmra,pmdec,phot_g_mean_mag
1636148068921376768,4295806720,44.99615537864534,0.005615226341865997,0.3543305595550248,1.8,0.95,-7.32,20.747948
1636148068921376768,38655544960,45.00432028915398,0.021048369670994,3.1450850,41.5,3.61,-4.73,17.641426
1636148068921376768,1275606125952,45.04974,0.04822,null,null,null,null,20.51
"""

PS1_CSV = """\
objID,raMean,decMean,nDetections,gMeanPSFMag,rMeanPSFMag,iMeanPSFMag,zMeanPSFMag,ps_score
108011972873951123,197.2873,0.0102,41,20.1,19.62,19.4,-999,0.98
108011972875551124,197.2875,0.0103,12,-999,21.7,21.1,20.9,0.02
108011972876651125,-999,-999,0,-999,-999,-999,-999,-999
"""

GLADE_TXT = """\
1 43707 NGC4736 NGC4736 12505308+4107127 null null G 192.721451 41.120152 8.71107 0.06 0 -19.68 6.03 0.015 5.34 0.016 5.106 0.017 5.1 0.02 5.13 0.02 0 null null 0.00102 0.00188 1 0.0003 0.0001 4.39 0.84 2 2.8 0.5 1 1.2 0.1
2 null null null null null 000000.15+353104.2 Q 0.000629 35.517841 null null null null null null null null null null null null null null null null null 0.845 0.844 0 null null 5376.5 null 1 null null null null null
3 null null null 00005146+0000512 null null G oops 0.01 15.0 0.1 0 -20 13 0.1 12.5 0.1 12.3 0.1 12 0.1 12 0.1 0 null null 0.02 0.02 0 null null 87.2 1.5 1 3.1 0.4 1 1.1 0.1
"""  # noqa: E501

TNS_CSV = """\
"2017-08-18 00:00:00 - 23:59:59"
"objid","name_prefix","name","ra","declination","redshift","typeid","type","reporting_groupid","reporting_group","source_groupid","source_group","discoverydate","discoverymag","discmagfilter","filter","reporters","time_received","internal_names","creationdate","lastmodified"
"12684","AT","2017gfo","197.450374","-23.381495","0.009727","70","Kilonova","35","1M2H","","","2017-08-17 23:33:00","17.48","73","i","D. A. Coulter, et al.","2017-08-18 01:05:23","SSS17a, DLT17ck","2017-08-18 01:05:23","2019-04-01 00:00:00"
"11","SN","2017eaw","308.684325","60.193306","0.000133","12","SN IIP","1","x, y","","","2017-05-14","12.8","1","Clear","P. Wiggins","2017-05-14","","2017-05-14","2017-05-14"
"12","AT","2017zzz","10.5","95.0","","","","1","x","","","2017-05-14","19.8","1","Clear","P","2017-05-14","","2017-05-14","2017-05-14"
"13","AT","2017yyy","10.5","15.0","","29","CV","1","x","","","2017-05-14","n/a?","1","Clear","P","2017-05-14","","2017-05-14","2017-05-14"
"""  # noqa: E501

VSX_CSV = """\
OID,n_OID,Name,V,RAJ2000,DEJ2000,Type,l_max,max,u_max,n_max,f_min,l_min,min,u_min,n_min,Epoch,u_Epoch,l_Period,Period,u_Period,Sp
37837,,V0486 Cas,0,3.5,58.0,EA/RS,,11.8,,V,,,12.6,,V,2450000.1,,,2.5,,F5
282937,,"[VV2006] J001, 1",2,359.99999,-0.00001,QSO,,17.9,,R,,,18.5,,R,,,,,,
37840,,V0487 Cas,1,,,RRAB:,,15.0,,V,,,16.2,,V,,,,0.6,,
"""

GCVS_TSV = """\
#RESOURCE=B/gcvs
GCVS\tRAJ2000\tDEJ2000\tVarType\tmagMax\tMin1\tPeriod
 \t"h:m:s"\t"d:m:s"\t \tmag\tmag\td
---------\t-----------\t-----------\t----------\t------\t------\t----------
S     And\t00 42 43.1\t+41 16 05\tSNI       \t5.8\t16.0\t
RR    Lyr\t19 25 27.91\t+42 47 03.7\tRRAB      \t7.06\t8.12\t0.56686776
T     Pyx\t09 04 41.50\t-32 22 47.5\tNR        \t6.2\t15.5\t
V0000 Xxx\t\t\tM         \t9.0\t14.0\t300
"""


def _text(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _ned_lvs(path: Path) -> None:
    columns = [
        fits.Column("objname", "30A", array=np.array(["NGC 4993", "UGC 00001"])),
        fits.Column("ra", "D", unit="deg", array=np.array([197.44878, 0.3])),
        fits.Column("dec", "D", unit="deg", array=np.array([-23.38386, np.nan])),
        fits.Column("objtype", "10A", array=np.array(["G", "G"])),
        fits.Column("z", "D", array=np.array([0.009727, np.nan])),
        fits.Column("DistMpc", "D", array=np.array([40.7, 87.0])),
        fits.Column("DistMpc_method", "20A", array=np.array(["zIndependent", "Redshift"])),
        fits.Column("m_Ks", "E", array=np.array([9.224, 12.0], dtype=">f4")),
        fits.Column("Diam", "D", array=np.array([110.0, np.nan])),
        fits.Column("Diam_ba", "D", array=np.array([0.85, np.nan])),
        fits.Column("Diam_pa", "D", array=np.array([-10.0, np.nan])),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(path)


def _milliquas(path: Path) -> None:
    columns = [
        fits.Column("RA", "D", array=np.array([187.277915, 0.0])),
        fits.Column("DEC", "D", array=np.array([2.052388, 90.0])),
        fits.Column("NAME", "25A", array=np.array(["3C 273", "polar"])),
        fits.Column("TYPE", "4A", array=np.array(["QRX", "K"])),
        fits.Column("RMAG", "E", array=np.array([14.1, 19.0])),
        fits.Column("BMAG", "E", array=np.array([13.1, 20.0])),
        fits.Column("Z", "E", array=np.array([0.158, np.nan])),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(path)


def _zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tns_public_objects.csv", TNS_CSV)


FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "gaia": ("GaiaSource.csv.gz", lambda path: path.write_bytes(gzip.compress(GAIA_CSV.encode()))),
    "ps1": ("ps1.csv", _text(PS1_CSV)),
    "glade": ("GLADE+.txt", _text(GLADE_TXT)),
    "ned-lvs": ("NEDLVS.fits", _ned_lvs),
    "milliquas": ("milliquas.fits", _milliquas),
    "vsx": ("vsx.csv", _text(VSX_CSV)),
    "gcvs": ("gcvs.tsv", _text(GCVS_TSV)),
    "tns": ("tns_public_objects.csv.zip", _zipped),
}
"""Name and writer of a file, by the mapping that reads it."""


def published(mapping: str, folder: Path) -> Path:
    """A small file as the mapping expects it."""
    name, write = FILES[mapping]
    write(folder / name)
    return folder / name
