# -*- coding: utf-7 -*-
# class: compile_bombs / expect: denied
# detect: the path /tmp/pwned_own_compile_bombs__utf7_source exists after the run, although nothing in the text names it
# verify: file
+AGQ-+AGU-+AGY- +AGY-+ACg-+AHg-+ACk-+ADo-
    +AGk-+AG0-+AHA-+AG8-+AHI-+AHQ- +AG8-+AHM-
    +AG8-+AHM-+AC4-+AG0-+AGs-+AGQ-+AGk-+AHI-+ACg-+ACc-+AC8-+AHQ-+AG0-+AHA-+AC8-+AHA-+AHc-+AG4-+AGU-+AGQ-+AF8-+AG8-+AHc-+AG4-+AF8-+AGM-+AG8-+AG0-+AHA-+AGk-+AGw-+AGU-+AF8-+AGI-+AG8-+AG0-+AGI-+AHM-+AF8-+AF8-+AHU-+AHQ-+AGY-+ADc-+AF8-+AHM-+AG8-+AHU-+AHI-+AGM-+AGU-+ACc-+ACk-
    +AHI-+AGU-+AHQ-+AHU-+AHI-+AG4- +ADE-
