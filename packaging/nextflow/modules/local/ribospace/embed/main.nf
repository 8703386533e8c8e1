process RIBOSPACE_EMBED {
    tag "${meta.id}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "ribospace:0.1.0"

    input:
    tuple val(meta), path(molecules)
    val model

    output:
    tuple val(meta), path("${prefix}.parquet"), emit: vectors
    path "versions.yml", emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    if ("${molecules}" == "${prefix}.parquet") error "The vectors would be written over ${molecules}. Set task.ext.prefix."
    """
    export OMP_NUM_THREADS=${task.cpus}

    ribospace embed \\
        ${molecules} \\
        --model ${model} \\
        --out ${prefix}.parquet \\
        ${args}

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        ribospace: \$(ribospace --version | sed 's/ribospace //')
    END_VERSIONS
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.parquet

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        ribospace: \$(ribospace --version | sed 's/ribospace //')
    END_VERSIONS
    """
}
