"""Tables, pictures, statistics and pages, of any experiment."""

import matplotlib

matplotlib.rcParams.update({"font.size": 11, "axes.spines.top": False})
matplotlib.rcParams.update({"axes.spines.right": False, "figure.dpi": 120})
